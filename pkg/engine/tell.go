package engine

import (
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
)

// tell publishes the fact of a run, if anything changed or somebody asked.
func (r *run) tell(obj api.Object, v verdict, news bool) {
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
	f.Annotations = Annotations(obj, f.Annotations)
	r.engine.Bus.Publish(f)
}

// Annotations returns what every event of obj carries: the object's own
// annotations that ask to be copied, and those given.
func Annotations(obj api.Object, own map[string]string) map[string]string {
	out := maps.Clone(own)
	for key, value := range obj.GetAnnotations() {
		if !strings.HasPrefix(key, api.EventAnnotationPrefix) {
			continue
		}
		if out == nil {
			out = make(map[string]string)
		}
		out[key] = value
	}
	return out
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
