package apply

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestPassing(t *testing.T) {
	var (
		configMaps = schema.GroupResource{Resource: "configmaps"}
		lost       = &url.Error{Op: "Patch", URL: "https://server", Err: syscall.ECONNREFUSED}
		starting   = apierrors.NewForbidden(configMaps, "a", errors.New("no rules yet"))
		invalid    = apierrors.NewInvalid(schema.GroupKind{Kind: "ConfigMap"}, "a", nil)
		of         = func(err error) *ObjectError { return &ObjectError{Text: "text", Err: err} }
	)
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"a lost connection":            {fmt.Errorf("list: %w", lost), true},
		"a server that starts":         {of(starting), true},
		"a webhook that is away":       {of(apierrors.NewInternalError(errors.New("failed calling webhook"))), true},
		"too many requests":            {apierrors.NewTooManyRequests("slow down", 1), true},
		"an invalid object":            {of(invalid), false},
		"a missing namespace":          {of(apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "x")), false},
		"one of many":                  {newStageError([]*ObjectError{of(invalid), of(lost)}, false), true},
		"none of many":                 {newStageError([]*ObjectError{of(invalid)}, false), false},
		"one of a prune":               {fmt.Errorf("prune: %w", &PruneError{Errors: []*ObjectError{of(starting)}}), true},
		"the end of the process":       {&url.Error{Op: "Patch", Err: context.Canceled}, false},
		"something that is none of it": {errors.New("other"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Passing(tt.err); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
