package helmrelease

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
	"github.com/fluxd/fluxd/pkg/render/helm"
)

// pass is one run for one object.
type pass struct {
	*reconciler
	obj     *v2.HelmRelease
	started time.Time
	list    []metav1.Condition
	course  *course
	memory  *artifacts.Share
	release func() // lets go of the tree; nil if none is held

	at     *access         // who releases where; nil until connect
	health *release.Health // what the spec says of health, nil if that is nothing

	artifact *api.Artifact
	tree     *artifacts.Tree
	id       helm.Identity // of the chart
	version  string        // of the chart in the release
	config   map[string]any
	want     wanted

	// seen is the last record, once it has been read and as long as nothing was done
	// since.
	seen *sighting
	// resumed says that the last record was looked at for an action of ours that is under
	// way. begun is what was wanted when that began which has ended since, nil if none has.
	resumed bool
	begun   *attempt
	// acted says that something was done with the release in this run.
	acted bool
	// warnings are what is to be told beside the outcome of an action.
	warnings []string
	// preview says that nothing is to be done: templates look nothing up then, for who
	// asks for a preview may know less than who releases.
	preview bool
	// underway says that an action waits.
	underway bool
}

// sighting is the last record of the release, which may be nil.
type sighting struct{ last *release.Observation }

func (r *reconciler) pass(obj *v2.HelmRelease) *pass {
	p := &pass{reconciler: r, obj: obj, started: time.Now(), list: obj.Status.Conditions, memory: r.options.Headroom.Share()}
	p.course = r.courses.of(p.owner())
	return p
}

// close gives back what the pass holds.
func (p *pass) close() {
	if p.release != nil {
		p.release()
	}
	p.memory.Leave()
}

func (p *pass) owner() apply.Owner { return apply.Owner{Namespace: p.obj.Namespace, Name: p.obj.Name} }

// ending is how a run ended well. It is an error so that every step can end the run.
type ending struct{ result reconcilers.Result }

func (e *ending) Error() string { return "the run has ended" }

// check refuses what only an edit can mend.
func (p *pass) check(context.Context) error {
	if (p.obj.Spec.Chart == nil) == (p.obj.Spec.ChartRef == nil) {
		return fault.Stalled(api.ReasonArtifactFailed, errors.New("invalid Chart reference: either spec.chart or spec.chartRef must be set"))
	}
	health, err := p.judges.Of(p.owner(), p.obj.Spec.HealthCheckExprs)
	if err != nil {
		return consumer.Misconfigured(err)
	}
	p.health = health
	return nil
}

// set sets a condition.
func (p *pass) set(kind string, status metav1.ConditionStatus, reason, message string) {
	p.list = conditions.Set(p.list, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: p.obj.Generation,
	}, p.started)
}

func (p *pass) drop(kinds ...string) { p.list = conditions.Delete(p.list, kinds...) }

// summary sums up what is known of the release, nil if that is nothing.
func (p *pass) summary() *fault.Summary {
	if !p.obj.GetTest().Enable {
		p.drop(api.ConditionTestSuccess)
	}
	return summarise(p.obj, p.list)
}

// acknowledge notes that what the spec says of post-renderers and metadata has been acted
// on, well or not. Before there is a record of it, it has not.
func (p *pass) acknowledge() {
	p.obj.Status.ObservedPostRenderersDigest, p.obj.Status.ObservedCommonMetadataDigest = specDigests(p.obj)
}

// summed returns err with what Ready says of the release, if there is one.
func (p *pass) summed(err error) error {
	if s := p.summary(); s != nil {
		return fault.Summarised(err, *s)
	}
	return err
}

// publish tells of something that happened. Of describes the revision or attempt that
// it is about, nil if it is about none.
func (p *pass) publish(severity events.Severity, reason, message string, of map[string]string) {
	p.bus.Publish(events.Fact{
		Subject: events.Subject{
			GroupVersionKind: api.HelmReleaseGVK, Namespace: p.obj.Namespace, Name: p.obj.Name,
			UID: p.obj.UID, ResourceVersion: p.obj.ResourceVersion,
		},
		Severity: severity, Reason: reason, Message: message, Time: time.Now(),
		Annotations: events.Annotations(p.obj, of), Controller: api.ComponentHelm,
	})
}

// described returns what events tell of a chart with values.
func described(chartVersion, config, appVersion, ociDigest string) map[string]string {
	of := make(map[string]string, 4)
	for key, value := range map[string]string{
		api.EventKeyRevision: chartVersion, api.EventKeyToken: config, api.EventKeyAppVersion: appVersion, api.EventKeyOCIDigest: ociDigest,
	} {
		if value != "" {
			of[api.HelmGroup+"/"+key] = value
		}
	}
	return of
}

// ofSnapshot returns what events tell of a revision.
func ofSnapshot(s *v2.Snapshot) map[string]string {
	if s == nil {
		return nil
	}
	return described(s.ChartVersion, s.ConfigDigest, s.AppVersion, s.OCIDigest)
}

// ofAttempt returns what events tell of what was attempted last.
func (p *pass) ofAttempt() map[string]string {
	s := p.obj.Status
	return described(s.LastAttemptedRevision, s.LastAttemptedConfigDigest, p.id.AppVersion, s.LastAttemptedRevisionDigest)
}

// slowError is why a pass over another cluster was given up.
type slowError struct{ timeout time.Duration }

func (e slowError) Error() string {
	return fmt.Sprintf("the cluster took longer than the timeout of %s", e.timeout)
}

// hurry runs f, over another cluster, which may be slow on purpose, for the timeout of
// the object at most.
func (p *pass) hurry(ctx context.Context, f func(context.Context) error) error {
	if p.obj.Spec.KubeConfig == nil {
		return f(ctx)
	}
	timeout := p.obj.GetTimeout()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, slowError{timeout})
	defer cancel()
	err := f(ctx)
	if slow, ok := context.Cause(ctx).(slowError); ok && errors.Is(err, context.DeadlineExceeded) {
		return fault.Backoff(api.ReasonReconcileError, slow)
	}
	return err
}
