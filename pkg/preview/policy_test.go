package preview

import (
	"context"

	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// policy refuses what it is told to.
type policy struct {
	owner, child, content error
	hidden                string
}

func (p policy) Owner(_ context.Context, owner reconcilers.Ref) error {
	if owner.Name == "child" {
		return p.child
	}
	return p.owner
}

func (p policy) Content(context.Context, reconcilers.Ref, reconcilers.Ref, bool) error {
	return p.content
}

func (p policy) Object(_ context.Context, _ forecast.Owner, obj forecast.Object) error {
	if obj.Name == p.hidden {
		return ErrDenied
	}
	return nil
}
