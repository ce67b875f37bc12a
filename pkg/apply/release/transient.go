package release

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fluxd/fluxd/pkg/kube"
)

// transient says whether an error is about the state in which the API server, its
// storage or the way to it is, and nothing else. An action does not fail by it; it goes
// on later. That the API server forbids something, or that a webhook fails, is an answer.
func transient(err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		all := many.Unwrap()
		return len(all) > 0 && !slices.ContainsFunc(all, func(e error) bool { return !transient(e) })
	}
	switch e := err.(type) {
	case nil:
		return false
	case apierrors.APIStatus:
		return kube.UnwellStatus(e.Status())
	case net.Error:
		return true
	case interface{ Unwrap() error }:
		return transient(e.Unwrap())
	}
	return kube.Interrupted(err) || errors.Is(err, context.Canceled)
}

// patient returns err if it may pass and there is time for that, and otherwise the
// failure of the action.
func (a *act) patient(err error, since time.Time) error {
	if transient(err) && !a.late(since) {
		return err
	}
	return fail(err)
}
