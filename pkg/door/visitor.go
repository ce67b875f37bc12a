package door

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/fluxd/fluxd/pkg/kube"
)

// Visitor is a caller who was let in.
type Visitor struct {
	door *Door
	who  kube.Subject
	sum  [sha256.Size]byte
}

type visitorKey struct{}

// From returns the caller of a request whose context ctx is. It is nil only where no
// [Door] was passed, and a visitor who is nil may do nothing.
func From(ctx context.Context) *Visitor {
	v, _ := ctx.Value(visitorKey{}).(*Visitor)
	return v
}

// ErrDenied is what the error of something that a caller may not do is.
var ErrDenied = errors.New("forbidden")

// DeniedError says what a caller may not do.
type DeniedError struct {
	User   string
	Action kube.Action
}

// Error names the caller and the object.
func (e *DeniedError) Error() string {
	a := e.Action
	what := a.Resource
	if a.Subresource != "" {
		what += "/" + a.Subresource
	}
	if a.Group != "" {
		what += "." + a.Group
	}
	if a.Name != "" {
		what += fmt.Sprintf(" %q", a.Name)
	}
	if a.Namespace != "" {
		what += fmt.Sprintf(" in the namespace %q", a.Namespace)
	}
	return fmt.Sprintf("forbidden: %q may not %s %s", e.User, a.Verb, what)
}

// Is makes the error an [ErrDenied].
func (e *DeniedError) Is(target error) bool { return target == ErrDenied }

// Name returns the user name of the caller.
func (v *Visitor) Name() string {
	if v == nil {
		return ""
	}
	return v.who.User
}

// May returns nil if the caller may do something, a [*DeniedError] if not, and else why
// that could not be found out.
func (v *Visitor) May(ctx context.Context, a kube.Action) error {
	if v == nil {
		return &DeniedError{Action: a}
	}
	q := question{v.sum, a}
	allowed, known := v.door.answers.get(q)
	if !known {
		var err error
		if allowed, err = v.door.reviewer.Allowed(ctx, v.who, a); err != nil {
			return err
		}
		v.door.answers.put(q, allowed)
	}
	if !allowed {
		return &DeniedError{User: v.who.User, Action: a}
	}
	return nil
}
