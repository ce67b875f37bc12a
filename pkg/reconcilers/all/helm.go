package all

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// Helm are the settings of HelmRepository and HelmChart.
type Helm struct {
	// IndexBytes bounds an index, ChartBytes the archive of a chart and FileBytes a
	// file in it. Zero is the default of each.
	IndexBytes, ChartBytes, FileBytes int64
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
