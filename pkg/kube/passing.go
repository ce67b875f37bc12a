package kube

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Passing says whether an error of a request is about the state that the API server, a
// webhook of it or the way to it is in, and not about the objects: such an error may be
// gone in a second. Among the errors of several objects one is enough.
func Passing(err error) bool {
	return amiss(err, func(s metav1.Status) bool {
		switch s.Reason {
		case metav1.StatusReasonInternalError, metav1.StatusReasonUnauthorized,
			metav1.StatusReasonForbidden: // who starts refuses everybody until it has read the rules
			return true
		}
		return UnwellStatus(s)
	})
}

// Unwell says whether an error of a request is about the state that the API server or the
// way to it is in, and can be about nothing else: it is a matter of time. Among the errors
// of several objects one is enough.
func Unwell(err error) bool { return amiss(err, UnwellStatus) }

// UnwellStatus says whether an API server answers so for want of something that it needs
// itself. That a webhook fails is an answer, and may be so for ever.
func UnwellStatus(s metav1.Status) bool {
	switch s.Reason {
	case metav1.StatusReasonServerTimeout, metav1.StatusReasonTimeout, metav1.StatusReasonTooManyRequests,
		metav1.StatusReasonServiceUnavailable:
		return true
	}
	return s.Code >= http.StatusInternalServerError && !strings.Contains(s.Message, "webhook")
}

// amiss says whether one of the errors in err is an answer that is bad, or a lack of one.
func amiss(err error, bad func(metav1.Status) bool) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(err error) bool { return amiss(err, bad) })
	case apierrors.APIStatus:
		return bad(e.Status())
	case net.Error:
		return true
	case interface{ Unwrap() error }:
		return amiss(e.Unwrap(), bad)
	}
	return Interrupted(err)
}

// Interrupted says whether err itself, not what it wraps, is that of an answer which did
// not arrive as a whole. That of HTTP/2 has a type of its own in each copy of the
// protocol, and none of them can be asked for.
func Interrupted(err error) bool {
	return err == io.ErrUnexpectedEOF || err == io.EOF ||
		strings.HasPrefix(err.Error(), "stream error: ") || strings.HasPrefix(err.Error(), "http2: ")
}
