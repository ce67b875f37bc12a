package reconcilers

import (
	"context"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/fault"
)

// Reconciler drives one kind to its spec. One value serves every object of the
// kind, from many goroutines.
type Reconciler[T api.Object] interface {
	// References names what obj reads besides itself: its source, its
	// dependencies, its secrets. When one changes, obj runs again. No I/O.
	References(obj T) []Ref

	// Reconcile makes the world match obj.Spec. obj is a private copy; what it
	// writes to obj.Status is saved whatever it returns. A nil error means
	// ready. Package fault has the other endings. A run that finds something new
	// to do says [Busy], so that people hear of it if it lasts.
	Reconcile(ctx context.Context, obj T) (Result, error)

	// Finalize undoes Reconcile. obj is released once it returns nil. It may
	// be called more than once.
	Finalize(ctx context.Context, obj T) error
}

// Result is how a reconcile ended well.
type Result struct {
	// Reason and Message become the Ready condition.
	Reason  string
	Message string
	// Summary is what Ready says instead: the run ended well, and there is no more to
	// do, although the object is not ready. With Again it replaces what Ready said.
	Summary *fault.Summary
	// Revision is what the object now stands for; it is part of the fact that
	// the engine publishes.
	Revision string
	// Again saves the status and runs the object again at once, with Ready
	// unchanged unless there is a summary. It is how a reconciler has status saved between two steps.
	Again bool
	// Progress is the message of the Reconciling condition while Again is set.
	Progress string
	// Static says that the object is a mere description, which has no status: the
	// status is saved as the reconciler left it, without any condition of ours, and
	// the object is let go of. It runs again when it changes.
	Static bool
	// Fact is published once the status is saved; nil publishes nothing.
	Fact *Fact
}

// Fact is what a finished run has to tell people, beyond its conditions.
type Fact struct {
	Reason  string
	Message string
	// Annotations are added to those every event of the object carries.
	Annotations map[string]string
	// Routine marks a fact that is worth telling only when somebody asked for
	// the run or the status changed.
	Routine bool
}
