package install

import (
	"context"
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Ready waits until the Deployment of fluxd is as its spec says. The error of a wait
// that ctx ended tells what it was waiting for.
func (c *Cluster) Ready(ctx context.Context, namespace string) error {
	why := "it does not exist"
	err := c.Await(ctx, deployments, namespace, program, func(obj *unstructured.Unstructured) (bool, error) {
		if obj == nil {
			return false, nil
		}
		current, message, err := health(obj)
		why = message
		return current, err
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("the Deployment %s/%s is not ready: %s: %w", namespace, program, why, err)
	}
	return err
}

// Runs says whether the Deployment of fluxd is as its spec says.
func (c *Cluster) Runs(ctx context.Context, namespace string) (bool, error) {
	obj, err := c.Get(ctx, deployments, namespace, program)
	if err != nil || obj == nil {
		return false, err
	}
	current, _, err := health(obj)
	return current, err
}

// health says whether an object is current, and else why not. One that has failed is
// not an error: it may recover.
func health(obj *unstructured.Unstructured) (current bool, why string, err error) {
	result, err := status.Compute(obj)
	if err != nil {
		return false, "", fmt.Errorf("judge %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	return result.Status == status.CurrentStatus, result.Message, nil
}

// Withhold returns what of an error about a Secret may be told: the answer of the API
// server may quote it.
func Withhold(err error) error {
	if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
		return fmt.Errorf("the API server refuses: %s", reason)
	}
	return err
}
