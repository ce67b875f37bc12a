package helmrelease

import (
	"maps"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
)

// chartOf returns the HelmChart that spec.chart describes.
func chartOf(obj *v2.HelmRelease) *sourcev1.HelmChart {
	template := obj.Spec.Chart
	chart := &sourcev1.HelmChart{
		TypeMeta: metav1.TypeMeta{APIVersion: api.SourceV1.String(), Kind: api.HelmChartKind},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: template.GetNamespace(obj.Namespace), Name: obj.GetHelmChartName(),
			Labels: map[string]string{},
		},
		Spec: sourcev1.HelmChartSpec{
			Chart: template.Spec.Chart, Version: template.Spec.Version,
			SourceRef:         sourcev1.LocalHelmChartSourceReference{Kind: template.Spec.SourceRef.Kind, Name: template.Spec.SourceRef.Name},
			Interval:          template.GetInterval(obj.Spec.Interval),
			ReconcileStrategy: template.Spec.ReconcileStrategy,
			ValuesFiles:       template.Spec.ValuesFiles, IgnoreMissingValuesFiles: template.Spec.IgnoreMissingValuesFiles,
		},
	}
	if verify := template.Spec.Verify; verify != nil {
		chart.Spec.Verify = &sourcev1.HelmChartVerification{Provider: verify.Provider, SecretRef: verify.SecretRef}
	}
	if meta := template.ObjectMeta; meta != nil {
		maps.Copy(chart.Labels, meta.Labels)
		chart.Annotations = maps.Clone(meta.Annotations)
	}
	chart.Labels[api.LabelHelmReleaseName] = obj.Name
	chart.Labels[api.LabelHelmReleaseNamespace] = obj.Namespace
	return chart
}

// hasAll says whether a HelmChart that exists is as the one that is wanted, whatever else
// others have put on it.
func hasAll(live, want *sourcev1.HelmChart) bool {
	within := func(part, whole map[string]string) bool {
		for k, v := range part {
			if w, ok := whole[k]; !ok || w != v {
				return false
			}
		}
		return true
	}
	a, b := live.Spec, want.Spec
	a.Suspend, b.Suspend = false, false
	a.SourceRef.APIVersion = ""
	return within(want.Labels, live.Labels) && within(want.Annotations, live.Annotations) && equality.Semantic.DeepEqual(a, b)
}

// alike says whether two HelmCharts ask for the same and are called the same.
func alike(a, b *sourcev1.HelmChart) bool {
	return equality.Semantic.DeepEqual(a.Labels, b.Labels) && equality.Semantic.DeepEqual(a.Annotations, b.Annotations) &&
		equality.Semantic.DeepEqual(a.Spec, b.Spec)
}
