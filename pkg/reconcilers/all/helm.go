package all

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/helmrelease"
	rendered "github.com/fluxd/fluxd/pkg/render/helm"
	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// Helm are the settings of HelmRepository and HelmChart.
type Helm struct {
	// IndexBytes bounds an index, ChartBytes the archive of a chart and FileBytes a
	// file in it. Zero is the default of each.
	IndexBytes, ChartBytes, FileBytes int64
}

// HelmRelease are the settings of HelmRelease.
type HelmRelease struct {
	NoCrossNamespaceRefs, AdditiveReadyExpr, AllowDNS, IgnoreChartDigests bool
	Helm3Defaults, RetryByDefault, CancelOnNews, ObjectLevelIdentity      bool
	FullResync                                                            time.Duration
	DecryptionAccount                                                     string
}

// helmRelease returns the plugin of HelmRelease.
func (d Deps) helmRelease() reconcilers.Plugin {
	o := d.HelmRelease
	limits := helm.Limits{Archive: d.Helm.ChartBytes, File: d.Helm.FileBytes}
	return helmrelease.Plugin(d.Sources.Store, rendered.NewCharts(rendered.ChartOptions{Limits: limits}), rendered.NewRenderer(d.Builder),
		d.Releaser, d.HelmClusters, d.Cache, d.Configs, chartWriter{d.Declarer}, d.Bus, helmrelease.Options{
			Workers: d.Releasing.Workers, RequeueDependency: d.Releasing.RequeueDependency, Externals: d.externals(), Headroom: d.Sources.Headroom,
			NoCrossNamespaceRefs: o.NoCrossNamespaceRefs, FullResync: o.FullResync, AdditiveReadyExpr: o.AdditiveReadyExpr,
			AllowDNS: o.AllowDNS, IgnoreChartDigests: o.IgnoreChartDigests, Helm3Defaults: o.Helm3Defaults,
			RetryByDefault: o.RetryByDefault, CancelOnNews: o.CancelOnNews,
			KeyServices:         d.keyServices(),
			ObjectLevelIdentity: o.ObjectLevelIdentity, DecryptionAccount: o.DecryptionAccount,
		})
}

// chartWriter writes HelmCharts.
type chartWriter struct{ apply.Declarer }

// Apply implements [helmrelease.Charts].
func (w chartWriter) Apply(ctx context.Context, chart *sourcev1.HelmChart) error {
	return w.Declarer.Apply(ctx, api.HelmChartGVR, chart)
}

// Foretell implements [helmrelease.Charts].
func (w chartWriter) Foretell(ctx context.Context, chart *sourcev1.HelmChart) (*sourcev1.HelmChart, error) {
	u, err := w.Declarer.Foretell(ctx, api.HelmChartGVR, chart)
	if err != nil {
		return nil, err
	}
	left := &sourcev1.HelmChart{}
	return left, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, left)
}

// Delete implements [helmrelease.Charts].
func (w chartWriter) Delete(ctx context.Context, namespace, name string) error {
	return w.Declarer.Delete(ctx, api.HelmChartGVR, namespace, name)
}

// charts is what HelmCharts and HelmRepositories know of each other.
type charts struct{ cache Objects }

// Source implements [helmchart.Objects].
func (c charts) Source(kind, namespace, name string) (api.Source, bool) {
	return c.cache.SourceOf(api.SourceV1.WithKind(kind).GroupKind(), namespace, name)
}

// Repositories implements [helmchart.Objects].
func (c charts) Repositories(namespace string) []*sourcev1.HelmRepository {
	var all []*sourcev1.HelmRepository
	c.cache.Each(api.HelmRepositoryGVK.GroupKind(), func(obj metav1.Object) {
		if r, ok := obj.(*sourcev1.HelmRepository); ok && r.Namespace == namespace {
			all = append(all, r)
		}
	})
	return all
}

// wants returns what HelmCharts want of the index of a HelmRepository.
func (c charts) wants(source helm.Source) []helm.Want {
	var wants []helm.Want
	c.cache.Each(api.HelmChartGVK.GroupKind(), func(obj metav1.Object) {
		chart, ok := obj.(*sourcev1.HelmChart)
		if !ok || chart.Namespace != source.Namespace || chart.Spec.Suspend {
			return
		}
		if ref := chart.Spec.SourceRef; ref.Kind == api.HelmRepositoryKind && ref.Name == source.Name {
			wants = append(wants, helm.Want{Name: chart.Spec.Chart, Version: chart.Spec.Version})
		}
	})
	return wants
}
