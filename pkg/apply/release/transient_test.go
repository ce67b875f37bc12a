package release

import (
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// An action fails by what the API server says of it, and not by the state that it is in.
func TestTransient(t *testing.T) {
	leader := &apierrors.StatusError{ErrStatus: metav1.Status{Code: 500, Message: "etcdserver: leader changed"}}
	webhook := apierrors.NewInternalError(errors.New("failed calling webhook: connection refused"))
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"no leader of etcd":     {fmt.Errorf("apply: %w", leader), true},
		"an error of a proxy":   {apierrors.NewGenericServerResponse(502, "patch", schema.GroupResource{Resource: "configmaps"}, "it", "Bad Gateway", 0, true), true},
		"a webhook":             {webhook, false},
		"too many requests":     {apierrors.NewTooManyRequests("slow down", 1), true},
		"that it is invalid":    {apierrors.NewBadRequest("no"), false},
		"some and a webhook":    {errors.Join(leader, webhook), false},
		"all of several":        {errors.Join(leader, leader), true},
		"nothing of the server": {errors.New("no"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := transient(test.err); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}
