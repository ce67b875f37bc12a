package apply

import "strings"

// Action is what was done with an object.
type Action string

// The actions, in the words that people know from flux.
const (
	Created    Action = "created"
	Configured Action = "configured"
	Unchanged  Action = "unchanged"
	Skipped    Action = "skipped"
	Deleted    Action = "deleted"
)

// Change is what was done with one object.
type Change struct {
	Entry
	Action Action
}

// String returns the subject and the action: Deployment/apps/web configured.
func (c Change) String() string { return c.Entry.String() + " " + string(c.Action) }

// Changes is a list of changes in the order of the inventory.
type Changes []Change

// Lines returns one line per change that somebody would want to be told of:
// everything but unchanged and, unless it was a prune, skipped objects.
func (c Changes) Lines(actions ...Action) string {
	var lines []string
	for _, change := range c {
		for _, a := range actions {
			if change.Action == a {
				lines = append(lines, change.String())
			}
		}
	}
	return strings.Join(lines, "\n")
}

// Wrote says whether an object was created or configured.
func (c Changes) Wrote() bool {
	for _, change := range c {
		if change.Action == Created || change.Action == Configured {
			return true
		}
	}
	return false
}
