package preview

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Policy says what the caller of a preview may be told. An error is [ErrDenied], or why
// that could not be found out.
type Policy interface {
	// Owner: that there is an object that applies others, and what becomes of these.
	Owner(ctx context.Context, owner reconcilers.Ref) error
	// Content: what an owner would do with a content of the caller's choice, which is a
	// revision of its source or a folder.
	Content(ctx context.Context, owner, source reconcilers.Ref, folder bool) error
	// Object: the fields of one object that the owner applies.
	Object(ctx context.Context, owner forecast.Owner, obj forecast.Object) error
}

// withhold takes out of a forecast what the caller may not be told. That an object is
// there, and would change, is in the inventory for whoever may see its owner.
func (s *session) withhold(ctx context.Context, o *forecast.Owner) {
	for n := range o.Objects {
		obj := &o.Objects[n]
		if s.request.Policy != nil && len(obj.Change)+len(obj.Drift)+len(obj.Message)+len(obj.Notes) > 0 {
			if s.request.Policy.Object(ctx, *o, *obj) != nil {
				obj.Change, obj.Drift, obj.Message, obj.Notes, obj.Withheld = nil, nil, "", nil, true
			}
		}
		obj.Result = nil
	}
}

// access is the policy for a caller of the daemon. It lets nobody see more than what
// the caller could find out with its own rights.
//
//   - What becomes of the objects of an owner is for those who may get the owner: its
//     status lists them, and its events tell what was done.
//   - The fields of an object are for those who may get that object. On another cluster
//     the caller is somebody else, so there they are for those who may get the Secret
//     with the kubeconfig.
//   - A content of the caller's choice is built with the variables, keys and identity of
//     the owner, so that it can show what these protect. A revision is for those who may
//     patch the source, and so have the owner apply it; a folder also for those who may
//     patch the owner, and so have it apply what they like.
type access struct{ visitor *door.Visitor }

// Owner implements [Policy].
func (a access) Owner(ctx context.Context, owner reconcilers.Ref) error {
	return a.may(ctx, "get", owner)
}

// Content implements [Policy].
func (a access) Content(ctx context.Context, owner, source reconcilers.Ref, folder bool) error {
	err := a.may(ctx, "patch", source)
	if folder && errors.Is(err, ErrDenied) {
		if a.may(ctx, "patch", owner) == nil {
			return nil
		}
	}
	return err
}

// Object implements [Policy].
func (a access) Object(ctx context.Context, owner forecast.Owner, obj forecast.Object) error {
	if owner.Remote {
		if owner.RemoteSecret == "" {
			return fmt.Errorf("%w: nobody can tell who the caller is there", ErrDenied)
		}
		return a.ask(ctx, kube.Action{Verb: "get", Resource: "secrets", Namespace: owner.Namespace, Name: owner.RemoteSecret})
	}
	if obj.Resource == "" {
		return fmt.Errorf("%w: the kind is not served", ErrDenied)
	}
	return a.ask(ctx, kube.Action{Verb: "get", Group: obj.Group, Resource: obj.Resource, Namespace: obj.Namespace, Name: obj.Name})
}

// may asks about one of our objects.
func (a access) may(ctx context.Context, verb string, ref reconcilers.Ref) error {
	resource, ok := resourceOf(ref.GroupKind)
	if !ok {
		return fmt.Errorf("%w: %s is not a kind of fluxd", ErrDenied, ref.Kind)
	}
	return a.ask(ctx, kube.Action{Verb: verb, Group: ref.Group, Resource: resource, Namespace: ref.Namespace, Name: ref.Name})
}

func resourceOf(kind schema.GroupKind) (string, bool) {
	for _, r := range api.Resources() {
		if r.Kind.GroupKind() == kind {
			return r.Name.Resource, true
		}
	}
	return "", false
}

func (a access) ask(ctx context.Context, action kube.Action) error {
	err := a.visitor.May(ctx, action)
	if denied, ok := errors.AsType[*door.DeniedError](err); ok {
		return fmt.Errorf("%w%s", ErrDenied, denied.Error()[len(door.ErrDenied.Error()):])
	}
	return err
}
