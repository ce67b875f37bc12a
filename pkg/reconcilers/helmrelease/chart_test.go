package helmrelease

import (
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func template(edits ...func(*v2.HelmChartTemplate)) func(*v2.HelmRelease) {
	return func(obj *v2.HelmRelease) {
		obj.Spec.Interval.Duration = 10 * time.Minute
		obj.Spec.Chart = &v2.HelmChartTemplate{Spec: v2.HelmChartTemplateSpec{
			Chart: "podinfo", Version: "*", ReconcileStrategy: "ChartVersion",
			SourceRef: v2.CrossNamespaceObjectReference{APIVersion: "x", Kind: "HelmRepository", Name: "charts"},
		}}
		for _, edit := range edits {
			edit(obj.Spec.Chart)
		}
	}
}

func TestChartOf(t *testing.T) {
	plain := func(edit func(*sourcev1.HelmChart)) *sourcev1.HelmChart {
		c := &sourcev1.HelmChart{
			TypeMeta: metav1.TypeMeta{APIVersion: "source.toolkit.fluxcd.io/v1", Kind: "HelmChart"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "apps-web", Labels: map[string]string{
				"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "apps",
			}},
			Spec: sourcev1.HelmChartSpec{
				Chart: "podinfo", Version: "*", ReconcileStrategy: "ChartVersion",
				SourceRef: sourcev1.LocalHelmChartSourceReference{Kind: "HelmRepository", Name: "charts"},
				Interval:  metav1.Duration{Duration: 10 * time.Minute},
			},
		}
		if edit != nil {
			edit(c)
		}
		return c
	}
	tests := map[string]struct {
		obj  *v2.HelmRelease
		want *sourcev1.HelmChart
	}{
		"the least": {object(template()), plain(nil)},
		"in the namespace of the source": {
			object(template(func(c *v2.HelmChartTemplate) { c.Spec.SourceRef.Namespace = "shared" })),
			plain(func(c *sourcev1.HelmChart) { c.Namespace = "shared" }),
		},
		"all of it": {
			object(template(func(c *v2.HelmChartTemplate) {
				c.ObjectMeta = &v2.HelmChartTemplateObjectMeta{
					Labels:      map[string]string{"a": "b", "helm.toolkit.fluxcd.io/name": "not this"},
					Annotations: map[string]string{"c": "d"},
				}
				c.Spec.Interval = &metav1.Duration{Duration: time.Minute}
				c.Spec.ValuesFiles, c.Spec.IgnoreMissingValuesFiles = []string{"values.yaml", "prod.yaml"}, true
				c.Spec.Verify = &v2.HelmChartTemplateVerification{Provider: "cosign", SecretRef: &api.LocalObjectReference{Name: "keys"}}
			})),
			plain(func(c *sourcev1.HelmChart) {
				c.Labels["a"], c.Annotations = "b", map[string]string{"c": "d"}
				c.Spec.Interval.Duration = time.Minute
				c.Spec.ValuesFiles, c.Spec.IgnoreMissingValuesFiles = []string{"values.yaml", "prod.yaml"}, true
				c.Spec.Verify = &sourcev1.HelmChartVerification{Provider: "cosign", SecretRef: &api.LocalObjectReference{Name: "keys"}}
			}),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, chartOf(test.obj)); diff != "" {
				t.Errorf("chart (-want +got): %s", diff)
			}
		})
	}
}

func TestHasAll(t *testing.T) {
	want := chartOf(object(template(func(c *v2.HelmChartTemplate) {
		c.ObjectMeta = &v2.HelmChartTemplateObjectMeta{Annotations: map[string]string{"c": "d"}}
	})))
	tests := map[string]struct {
		edit func(*sourcev1.HelmChart)
		want bool
	}{
		"the same":                {func(*sourcev1.HelmChart) {}, true},
		"what others have put":    {func(c *sourcev1.HelmChart) { c.Labels["x"], c.Annotations["y"] = "1", "2" }, true},
		"suspended by hand":       {func(c *sourcev1.HelmChart) { c.Spec.Suspend = true }, true},
		"another version":         {func(c *sourcev1.HelmChart) { c.Spec.Version = "1.x" }, false},
		"another interval":        {func(c *sourcev1.HelmChart) { c.Spec.Interval.Duration = time.Hour }, false},
		"a signature is required": {func(c *sourcev1.HelmChart) { c.Spec.Verify = &sourcev1.HelmChartVerification{} }, false},
		"a label is gone":         {func(c *sourcev1.HelmChart) { delete(c.Labels, api.LabelHelmReleaseName) }, false},
		"another annotation":      {func(c *sourcev1.HelmChart) { c.Annotations["c"] = "x" }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := want.DeepCopy()
			test.edit(live)
			if got := hasAll(live, want); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
