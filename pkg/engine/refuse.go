package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reasonUndecodable is the reason of an object that does not fit its type.
const reasonUndecodable = "InvalidSpec"

// refuse tells people, once, that an object does not decode. The rest of its
// status stays as it is.
func (r *run) refuse(ctx context.Context, bad *kube.Undecodable) time.Duration {
	status := refusal(bad, time.Now())
	if conditions.Equal(status.Conditions, bad.Status.Conditions) &&
		status.ObservedGeneration == bad.Status.ObservedGeneration &&
		status.LastHandledReconcileAt == bad.Status.LastHandledReconcileAt {
		return never
	}
	patch, err := json.Marshal(status)
	if err != nil {
		return r.excuse(ctx, err, "encode the status")
	}
	if _, err := r.engine.Writer.PatchStatus(ctx, r.plugin.Options().Manager, r.target(bad), patch); err != nil {
		return r.excuse(ctx, err, "report an object that does not decode")
	}
	r.log.Error(bad.Err, "the object does not decode; it is left alone until it is edited")
	return never
}

// refusal returns the status of an object that does not fit its type: only an
// edit can help.
func refusal(bad *kube.Undecodable, now time.Time) api.ReconcileStatus {
	message := fmt.Sprintf("%s %s/%s does not decode: %v", bad.Kind, bad.Namespace, bad.Name, bad.Err)
	list := conditions.Delete(bad.Status.Conditions, api.ConditionReconciling)
	for _, c := range []metav1.Condition{
		{Type: api.ConditionReady, Status: metav1.ConditionFalse},
		{Type: api.ConditionStalled, Status: metav1.ConditionTrue},
	} {
		c.Reason, c.Message, c.ObservedGeneration = reasonUndecodable, message, bad.Generation
		list = conditions.Set(list, c, now)
	}
	return api.ReconcileStatus{
		Conditions: list, ObservedGeneration: bad.Generation,
		LastHandledReconcileAt: cmp.Or(bad.Annotations[api.AnnotationReconcileRequest], bad.Status.LastHandledReconcileAt),
	}
}
