package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestPassing(t *testing.T) {
	var (
		configMaps = schema.GroupResource{Resource: "configmaps"}
		lost       = &url.Error{Op: "Patch", URL: "https://server", Err: syscall.ECONNREFUSED}
		starting   = apierrors.NewForbidden(configMaps, "a", errors.New("no rules yet"))
		invalid    = apierrors.NewInvalid(schema.GroupKind{Kind: "ConfigMap"}, "a", nil)
		of         = func(err error) error { return fmt.Errorf("of an object: %w", err) }
	)
	for name, tt := range map[string]struct {
		err error
		// unwell: it is a matter of time. passing: it may be one.
		unwell, passing bool
	}{
		"a lost connection":            {fmt.Errorf("list: %w", lost), true, true},
		"a server that starts":         {of(starting), false, true},
		"a webhook that is away":       {of(apierrors.NewInternalError(errors.New("failed calling webhook"))), false, true},
		"too many requests":            {apierrors.NewTooManyRequests("slow down", 1), true, true},
		"an invalid object":            {of(invalid), false, false},
		"a missing namespace":          {of(apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "x")), false, false},
		"one of many":                  {errors.Join(of(invalid), of(lost)), true, true},
		"none of many":                 {errors.Join(of(invalid), of(invalid)), false, false},
		"a new leader of etcd":         {of(&apierrors.StatusError{ErrStatus: metav1.Status{Code: 500, Message: "etcdserver: leader changed"}}), true, true},
		"half an answer":               {fmt.Errorf("read the body: %w", io.ErrUnexpectedEOF), true, true},
		"half an answer of HTTP/2":     {fmt.Errorf("read the body: %w", errors.New("stream error: stream ID 7; INTERNAL_ERROR")), true, true},
		"none":                         {nil, false, false},
		"the end of the process":       {&url.Error{Op: "Patch", Err: context.Canceled}, false, false},
		"something that is none of it": {errors.New("other"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Unwell(tt.err); got != tt.unwell {
				t.Errorf("Unwell is %t, want %t", got, tt.unwell)
			}
			if got := Passing(tt.err); got != tt.passing {
				t.Errorf("Passing is %t, want %t", got, tt.passing)
			}
		})
	}
}
