package apply

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Passing says whether an error of a pass is about the state that the API server, or a
// webhook of it, is in, and not about the objects: such an error may be gone in a
// second. Among the errors of several objects one is enough.
func Passing(err error) bool {
	if stage, ok := errors.AsType[*StageError](err); ok {
		return slices.ContainsFunc(stage.Errors, passing)
	}
	if prune, ok := errors.AsType[*PruneError](err); ok {
		return slices.ContainsFunc(prune.Errors, passing)
	}
	return isPassing(err)
}

func passing(err *ObjectError) bool { return isPassing(err.Err) }

func isPassing(err error) bool {
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
		switch status.Status().Reason {
		case metav1.StatusReasonServerTimeout, metav1.StatusReasonTimeout, metav1.StatusReasonTooManyRequests,
			metav1.StatusReasonServiceUnavailable, metav1.StatusReasonInternalError, metav1.StatusReasonUnauthorized,
			metav1.StatusReasonForbidden: // who starts refuses everybody until it has read the rules
			return true
		}
		return false
	}
	_, network := errors.AsType[net.Error](err)
	return (network || errors.Is(err, io.ErrUnexpectedEOF)) && !errors.Is(err, context.Canceled)
}
