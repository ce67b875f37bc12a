package helmrelease

import (
	"context"
	"fmt"
	"sync"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"k8s.io/apimachinery/pkg/api/equality"
)

// sent remembers the HelmChart that was sent last for each owner: without it a label
// that is to go would not be noticed, because others may put labels on it, too.
type sent struct {
	mu     sync.Mutex // guards charts
	charts map[apply.Owner]*sourcev1.HelmChart
}

func newSent() *sent { return &sent{charts: make(map[apply.Owner]*sourcev1.HelmChart)} }

// same says whether chart is what was sent last.
func (s *sent) same(owner apply.Owner, chart *sourcev1.HelmChart) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return equality.Semantic.DeepEqual(s.charts[owner], chart)
}

// note keeps chart as what was sent last; nil is nothing.
func (s *sent) note(owner apply.Owner, chart *sourcev1.HelmChart) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if chart == nil {
		delete(s.charts, owner)
		return
	}
	s.charts[owner] = chart
}

// template makes the HelmChart that the spec describes, and deletes one that it does
// not describe any more.
func (p *pass) template(ctx context.Context) error {
	if p.obj.Spec.Chart == nil {
		return p.discard(ctx, "", "")
	}
	want := chartOf(p.obj)
	if err := p.mayUse(api.HelmChartKind, want.Namespace, want.Name); err != nil {
		return err
	}
	if err := p.discard(ctx, want.Namespace, want.Name); err != nil {
		return err
	}
	p.obj.Status.HelmChart = want.Namespace + "/" + want.Name
	live, exists := p.chart(want.Namespace, want.Name)
	unchanged := exists && hasAll(live, want)
	if unchanged && p.sent.same(p.owner(), want) {
		return nil
	}
	if err := p.send(ctx, want, live, unchanged); err != nil {
		return fault.Backoff(api.ReasonHelmChartSyncError, fmt.Errorf("failed to apply HelmChart '%s/%s': %w", want.Namespace, want.Name, err))
	}
	p.sent.note(p.owner(), want)
	p.tellChart(want, !exists, unchanged)
	return nil
}

// send applies the HelmChart that is wanted, unless the one that is there has all of it and
// nothing that would go, as when it was made before this process started.
func (p *pass) send(ctx context.Context, want, live *sourcev1.HelmChart, complete bool) error {
	if complete {
		left, err := p.charts.Foretell(ctx, want)
		if err != nil || alike(left, live) {
			return err
		}
	}
	return p.charts.Apply(ctx, want)
}

func (p *pass) tellChart(chart *sourcev1.HelmChart, created, unchanged bool) {
	source := p.obj.Spec.Chart.Spec.SourceRef
	verb, reason := "Configured", api.ReasonHelmChartConfigured
	switch {
	case created:
		verb, reason = "Created", api.ReasonHelmChartCreated
	case unchanged:
		return
	}
	p.publish(events.Trace, reason, fmt.Sprintf("%s HelmChart/%s/%s with SourceRef '%s/%s/%s'",
		verb, chart.Namespace, chart.Name, source.Kind, chart.Namespace, source.Name), nil)
}

// chart returns a HelmChart.
func (p *pass) chart(namespace, name string) (*sourcev1.HelmChart, bool) {
	found, ok := p.objects.Get(api.HelmChartGVK.GroupKind(), namespace, name)
	if !ok {
		return nil, false
	}
	chart, ok := found.(*sourcev1.HelmChart)
	return chart, ok
}

// discard deletes the HelmChart that was made for the object, unless it is the one of
// the given name. One that others have taken over is left to them.
func (p *pass) discard(ctx context.Context, namespace, name string) error {
	oldNamespace, oldName := p.obj.Status.GetHelmChart()
	if oldName == "" || oldNamespace == namespace && oldName == name {
		return nil
	}
	p.sent.note(p.owner(), nil)
	if err := p.mayUse(api.HelmChartKind, oldNamespace, oldName); err != nil {
		return err
	}
	if chart, ok := p.chart(oldNamespace, oldName); ok && !made(p.obj, chart) {
		p.obj.Status.HelmChart = ""
		return nil
	}
	if err := p.charts.Delete(ctx, oldNamespace, oldName); err != nil {
		err = fmt.Errorf("failed to delete HelmChart '%s/%s': %w", oldNamespace, oldName, err)
		p.publish(events.Trace, api.ReasonHelmChartSyncError, err.Error(), nil)
		return fault.Backoff(api.ReasonHelmChartSyncError, err)
	}
	p.obj.Status.HelmChart = ""
	p.publish(events.Trace, api.ReasonHelmChartDeleted, fmt.Sprintf("deleted HelmChart '%s/%s'", oldNamespace, oldName), nil)
	return nil
}

// made says whether a HelmChart carries the name of obj as the one that it was made for,
// or none, as a long time ago.
func made(obj *v2.HelmRelease, chart *sourcev1.HelmChart) bool {
	name, named := chart.Labels[api.LabelHelmReleaseName]
	return !named || name == obj.Name && chart.Labels[api.LabelHelmReleaseNamespace] == obj.Namespace
}
