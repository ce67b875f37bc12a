package apply

import (
	"context"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Rule judges one object, given whole, in place of the general rules. The message
// explains any status but Current. An error makes the status Unknown.
type Rule func(obj map[string]any) (s status.Status, message string, err error)

// Rules are rules by kind. A rule under an empty Kind is for every kind of its
// group that has none of its own.
type Rules map[schema.GroupKind]Rule

// Finding is the health of one object.
type Finding struct {
	Entry
	Status  status.Status
	Message string
	// Err is why the health could not be read, with Status Unknown.
	Err error
}

// String returns the form that people know: Deployment/apps/web status: 'Failed'.
func (f Finding) String() string {
	if f.Status == "" {
		return "can't determine status for " + f.Entry.String()
	}
	s := f.Entry.String() + " status: '" + f.Status.String() + "'"
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Report is the health of a set of objects at one moment.
type Report struct {
	// Findings has the objects that are not Current, sorted by subject.
	Findings []Finding
	// Total is how many objects were asked about.
	Total int
	// Recheck is after how long to ask again although nothing wakes the owner: some
	// health depends on the passing of time, and some objects cannot be watched.
	// Zero means that a wake will come.
	Recheck time.Duration
}

// Healthy says that every object is Current.
func (r Report) Healthy() bool { return len(r.Findings) == 0 }

// Failed returns the findings that waiting will not mend.
func (r Report) Failed() []Finding {
	var failed []Finding
	for _, f := range r.Findings {
		if f.Status == status.FailedStatus {
			failed = append(failed, f)
		}
	}
	return failed
}

// Terminal says that waiting changes nothing any more: every object is Current or
// Failed.
func (r Report) Terminal() bool { return len(r.Failed()) == len(r.Findings) }

// Health returns the health of entries from their records, and sees to it that
// Wake is called when that of an object which is not Current changes. It never
// waits. Entries that owner does not own are read with the identity of a.
func (a *Applier) Health(ctx context.Context, owner Owner, entries Inventory) (Report, error) {
	return Report{}, errUnfinished
}
