package reconcilers

import (
	"context"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/forecast"
)

// Previewer is what a [Reconciler] of a kind that applies objects implements as well,
// so that people can be told beforehand what it would do.
type Previewer[T api.Object] interface {
	// Preview says what Reconcile would do for obj, or Finalize if q.Deleted. It takes
	// the same steps with the same inputs and identity, asks the API server for
	// dry-runs, and writes nothing. It waits for nothing either: dependencies and
	// health are matters of time, not of what is applied. An error says why there is
	// no forecast; what is refused of single objects is part of the forecast.
	Preview(ctx context.Context, obj T, q Question) (forecast.Owner, error)
}

// Question is what a preview is about.
type Question struct {
	// Deleted asks what the end of the object would bring.
	Deleted bool
	// Before is the object as the cluster has it, where it is previewed as somebody else
	// would change it; nil is the same.
	Before api.Object
	// Present returns a context in which what the plugin reads is what the cluster has,
	// and not what it would have.
	Present func(context.Context) context.Context
	// Source returns what the named source has: what is to be previewed, and what it
	// had at the revision that is applied now, nil if that is not known or none. The
	// caller has made sure that the object may use the source.
	Source func(ctx context.Context, source Ref, applied string) (next Content, now *Content, err error)
	// Expected is what earlier applies of the same preview would create.
	Expected *forecast.Expected
}

// Content is an artifact with its files, which stay in memory as long as somebody
// refers to them.
type Content struct {
	Artifact api.Artifact
	Tree     *artifacts.Tree
	// Note says what people should know of the content; empty is nothing.
	Note string
}
