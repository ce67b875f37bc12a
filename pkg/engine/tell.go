package engine

import (
	"errors"
	"time"

	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tell publishes the fact of a run, if anything changed or somebody asked.
func (r *run) tell(obj metav1.Object, v verdict, news bool) {
	if v.fact == nil || !news && !v.always {
		return
	}
	f := *v.fact
	f.Time = time.Now()
	f.Controller = r.plugin.Options().Controller
	f.Subject = events.Subject{
		GroupVersionKind: r.plugin.Kind(),
		Namespace:        r.key.Namespace, Name: r.key.Name,
		UID: obj.GetUID(), ResourceVersion: obj.GetResourceVersion(),
	}
	f.Annotations = events.Annotations(obj, f.Annotations)
	r.engine.Bus.Publish(f)
}

// report logs how a run ended. Only what a person should act on is an error.
func (r *run) report(end ending, took time.Duration) {
	if end.err == nil {
		if !end.result.Again {
			r.log.V(1).Info(end.result.Message, "revision", end.result.Revision, "duration", took.String())
		}
		return
	}
	if waiting, ok := errors.AsType[*fault.WaitingError](end.err); ok {
		r.log.V(1).Info(end.err.Error(), "reason", waiting.Reason)
		return
	}
	r.log.Error(end.err, "Reconciler error", "reason", fault.Reason(end.err, r.plugin.Options().FailureReason))
}
