package kustomization

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// pass is one run for one object.
type pass struct {
	*reconciler
	obj     *v1.Kustomization
	started time.Time
	applier applier // nil until connect
	list    []metav1.Condition

	// rules are what the spec says of health, nil if that is nothing.
	rules *apply.Rules
	// revision and origin are those of the artifact, digest that of the build.
	revision, origin, digest string
	// changes is what was applied and pruned.
	changes apply.Changes
	// moved says that something was done or is new, so that the pass is worth
	// an entry in the history.
	moved bool
}

func (p *pass) owner() apply.Owner { return apply.Owner{Namespace: p.obj.Namespace, Name: p.obj.Name} }

// requested says whether somebody asked for this pass.
func (p *pass) requested() bool {
	request := p.obj.Annotations[api.AnnotationReconcileRequest]
	return request != "" && request != p.obj.Status.LastHandledReconcileAt
}

// set sets a condition.
func (p *pass) set(kind string, status metav1.ConditionStatus, reason, message string) {
	p.list = conditions.Set(p.list, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: p.obj.Generation,
	}, p.started)
}

// begin notes the revision that is tried, and whether it or the spec is new.
func (p *pass) begin(ctx context.Context) {
	ready := conditions.Get(p.list, api.ConditionReady)
	if p.obj.Status.LastAttemptedRevision != p.revision || ready == nil || ready.ObservedGeneration != p.obj.Generation {
		p.moved = true
		reconcilers.Busy(ctx)
	}
	p.obj.Status.LastAttemptedRevision = p.revision
}

// failed classifies a failure of the apply, prune or health step. It is recorded in
// the history unless it is the one of the last pass over again.
func (p *pass) failed(reason string, err error) error {
	ready := conditions.Get(p.list, api.ConditionReady)
	again := ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == reason && ready.Message == err.Error()
	if !again || p.moved || p.requested() {
		p.record(reason)
	}
	if kube.Passing(err) {
		return fault.Backoff(reason, err)
	}
	return fault.Failed(reason, err)
}

// record adds an outcome to the history.
func (p *pass) record(reason string) {
	metadata := map[string]string{"revision": p.revision}
	if p.origin != "" {
		metadata["originRevision"] = p.origin
	}
	p.obj.Status.History = p.obj.Status.History.With(v1.Outcome{
		Digest: p.digest, Status: reason, At: p.started.UTC().Truncate(time.Second),
		Took: time.Since(p.started), Metadata: metadata,
	})
}

// recorded says whether the newest outcome in the history is success with what was
// built now.
func (p *pass) recorded() bool {
	h := p.obj.Status.History
	return len(h) > 0 && h[0].Digest == p.digest && h[0].LastReconciledStatus == api.ReasonReconciliationSucceeded
}

// publish tells of something that happened on the way.
func (p *pass) publish(severity events.Severity, reason, message string) {
	p.bus.Publish(events.Fact{
		Subject: events.Subject{
			GroupVersionKind: api.KustomizationGVK, Namespace: p.obj.Namespace, Name: p.obj.Name,
			UID: p.obj.UID, ResourceVersion: p.obj.ResourceVersion,
		},
		Severity: severity, Reason: reason, Message: message, Time: time.Now(),
		Annotations: events.Annotations(p.obj, p.annotations()), Controller: api.ComponentKustomize,
	})
}

func (p *pass) annotations() map[string]string {
	own := make(map[string]string, 3)
	if p.revision != "" {
		own[api.KustomizeGroup+"/"+api.EventKeyRevision] = p.revision
	}
	if p.origin != "" {
		own[api.KustomizeGroup+"/"+api.EventKeyOriginRevision] = p.origin
	}
	return own
}

// done sets what success leaves behind. A pass that found everything as it was
// changes nothing, so that nothing is written.
func (p *pass) done() reconcilers.Result {
	status := &p.obj.Status
	if status.LastAppliedRevision != p.revision || !conditions.IsTrue(p.list, api.ConditionReady) || !p.recorded() {
		p.moved = true
	}
	status.LastAppliedRevision, status.LastAppliedOriginRevision = p.revision, p.origin
	if p.moved || p.requested() {
		p.record(api.ReasonReconciliationSucceeded)
	}
	annotations := p.annotations()
	annotations[api.KustomizeGroup+"/"+api.EventKeyCommitStatus] = api.EventCommitStatusUpdate
	return reconcilers.Result{
		Reason:   api.ReasonReconciliationSucceeded,
		Message:  "Applied revision: " + p.revision,
		Revision: p.revision,
		Fact: &reconcilers.Fact{
			Reason: api.ReasonReconciliationSucceeded,
			Message: fmt.Sprintf("Reconciliation finished in %s, next run in %s",
				time.Since(p.started).Round(time.Millisecond), p.obj.Spec.Interval.Duration),
			Annotations: annotations, Routine: true,
		},
	}
}
