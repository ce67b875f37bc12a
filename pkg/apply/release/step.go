package release

import (
	"time"

	"github.com/fluxd/fluxd/pkg/apply"
)

// Step is how far an action has got. An error beside it says that it could not go on,
// and why; calling again tries again. If the action had not begun, nothing is stored.
type Step struct {
	Action  Action
	Attempt string
	// Done says that the action has ended. Otherwise it waits.
	Done bool
	// Failure is why the action has failed. The release says so, too.
	Failure error
	// Observed are the revisions that this call wrote, as they are after that, in the
	// order of the writes, each once for its last write.
	Observed []Observation
	// Waiting is nil once the action is done.
	Waiting *Waiting
	// Inventory are the objects of the revision, without hooks. It is there when
	// the action is done.
	Inventory apply.Inventory
	// Began is when the action did.
	Began time.Time
	// Warnings are sentences for people.
	Warnings []string
	// Logs are the last lines of what was done, oldest first.
	Logs []Log
}

// Waiting is what an action waits for.
type Waiting struct {
	// What is a phrase for people, such as "the hook Job/apps/migrate".
	What string
	// For are the objects.
	For apply.Inventory
	// Deadline is when the action gives up.
	Deadline time.Time
	// After is when to call again at the latest. A change of the objects wakes the
	// owner before that, if they can be watched.
	After time.Duration
}

// Log is a line of what was done.
type Log struct {
	Time time.Time
	Text string
}
