package helmrelease

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

func chartRef(kind, namespace, name string) func(*v2.HelmRelease) {
	return func(o *v2.HelmRelease) {
		o.Spec.ChartRef = &v2.CrossNamespaceSourceReference{Kind: kind, Namespace: namespace, Name: name}
	}
}

// repo returns the OCIRepository of the world.
func (w *world) repo() *sourcev1.OCIRepository {
	return w.objects[reconcilers.NewRef(api.OCIRepositoryGVK.GroupKind(), "apps", "chart")].(*sourcev1.OCIRepository)
}

// TestPrerequisites is the table of what is missing before anything is done.
func TestPrerequisites(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus, message string) func(*world) {
		return func(w *world) {
			w.repo().Status.Conditions = conditions.Set(w.repo().Status.Conditions, metav1.Condition{Type: kind, Status: status, Message: message}, time.Now())
		}
	}
	newGeneration := func(w *world) { w.repo().Generation = 2 }
	tests := map[string]struct {
		spec    func(*v2.HelmRelease)
		given   []func(*world)
		ready   string
		says    string
		stalled bool
		after   time.Duration
	}{
		"neither chart nor chartRef": {given: []func(*world){func(w *world) { w.hr.Spec.ChartRef = nil }}, ready: "False/ArtifactFailed", says: "either spec.chart or spec.chartRef must be set", stalled: true},
		"an expression that is none": {spec: func(o *v2.HelmRelease) {
			o.Spec.HealthCheckExprs = []api.CustomHealthCheck{{APIVersion: "v1", Kind: "X"}}
		}, ready: "False/InvalidCELExpression", says: "Reconciliation failed terminally due to configuration error: spec.healthCheckExprs[0].current", stalled: true},
		"a dependency that is not there": {spec: func(o *v2.HelmRelease) { o.Spec.DependsOn = []api.DependencyReference{{Name: "db", Namespace: "data"}} }, ready: "False/DependencyNotReady", says: "unable to get 'data/db' dependency: not found", after: 30 * time.Second},
		"an expression about it": {spec: func(o *v2.HelmRelease) {
			o.Spec.DependsOn = []api.DependencyReference{{Name: "db", ReadyExpr: "dep.x"}}
		}, ready: "False/InvalidCELExpression", says: "spec.dependsOn[0].readyExpr", stalled: true},
		"a source that is not there":      {spec: chartRef(api.OCIRepositoryKind, "", "missing"), ready: "False/ArtifactFailed", says: "could not get Source object: OCIRepository 'apps/missing' not found", after: 30 * time.Second},
		"a source elsewhere, forbidden":   {spec: chartRef(api.OCIRepositoryKind, "other", "chart"), given: []func(*world){func(w *world) { w.r.options.NoCrossNamespaceRefs = true }}, ready: "False/AccessDenied", says: "cross-namespace references are not allowed: cannot access OCIRepository other/chart", stalled: true},
		"a template elsewhere, forbidden": {spec: template(func(c *v2.HelmChartTemplate) { c.Spec.SourceRef.Namespace = "other" }), given: []func(*world){func(w *world) { w.r.options.NoCrossNamespaceRefs = true }}, ready: "False/AccessDenied", says: "cannot access HelmChart other/apps-web", stalled: true},
		"an artifact of others":           {spec: chartRef(api.ExternalArtifactKind, "", "x"), ready: "False/AccessDenied", says: "can't access 'ExternalArtifact/apps/x', ExternalArtifact feature gate is disabled", stalled: true},
		"a source without an artifact":    {given: []func(*world){func(w *world) { w.repo().Status.Artifact = nil }}, ready: "False/SourceNotReady", says: "OCIRepository 'apps/chart' is not ready: does not have an artifact", after: 30 * time.Second},
		"a source that was edited":        {given: []func(*world){newGeneration}, ready: "False/SourceNotReady", says: "latest generation of object has not been reconciled"},
		"an edit that failed":             {given: []func(*world){newGeneration, condition("Ready", "False", "it cannot be fetched")}, ready: "False/SourceNotReady", says: "is not ready: it cannot be fetched"},
		"a source that stalls":            {given: []func(*world){condition("Stalled", "True", "it is stuck")}, ready: "False/SourceNotReady", says: "is not ready: it is stuck"},
		"not ready, with an old artifact": {given: []func(*world){condition("Ready", "False", "the registry is away")}, ready: "True/InstallSucceeded"},
		"an artifact that is not loaded":  {given: []func(*world){func(w *world) { w.repo().Status.Artifact.Digest = "sha256:other" }}, ready: "Unknown/Progressing", says: "Source not ready: artifact not found. Retrying in 15s", after: 15 * time.Second},
		"a version that does not match":   {given: []func(*world){func(w *world) { w.repo().Status.Artifact.Revision = "2.0.0@sha256:" + strings.Repeat("a", 64) }}, ready: "False/ChartMutateError", says: "artifact revision 2.0.0 does not match chart version 1.0.0"},
		"values that are not there":       {spec: func(o *v2.HelmRelease) { o.Spec.ValuesFrom = []v2.ValuesReference{{Kind: "Secret", Name: "v"}} }, ready: "False/ValuesError", says: "could not resolve Secret chart values reference 'apps/v' with key 'values.yaml': resource not found"},
		"files that are not listed well": {spec: func(o *v2.HelmRelease) {
			o.Annotations = map[string]string{"fluxd.io/values-files": "files: [{path: ../x}]"}
		}, ready: "False/ValuesError", says: "metadata.annotations[fluxd.io/values-files]", stalled: true},
		"a cluster that is not there":   {given: []func(*world){func(w *world) { w.absent = errBroken }}, ready: "False/RESTClientError", says: "it broke"},
		"a cluster that is being found": {given: []func(*world){func(w *world) { w.absent = clusters.ErrConnecting }}, ready: "Unknown/Progressing", after: 2 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if test.spec != nil {
				w.hr.Spec.ChartRef = &v2.CrossNamespaceSourceReference{Kind: api.OCIRepositoryKind, Name: "chart"}
				test.spec(w.hr)
				if w.hr.Spec.Chart != nil {
					w.hr.Spec.ChartRef = nil
				}
			}
			for _, f := range test.given {
				f(w)
			}
			err := w.run(0)
			w.want("Ready", w.ready(), test.ready)
			if !strings.Contains(w.message(api.ConditionReady), test.says) {
				t.Errorf("it says %q", w.message(api.ConditionReady))
			}
			_, stalled := errors.AsType[*fault.StalledError](err)
			w.want("stalled", stalled, test.stalled)
			if waiting, ok := errors.AsType[*fault.WaitingError](err); ok && test.after > 0 {
				w.want("after", waiting.After, test.after)
			}
		})
	}
}

// A dependency counts by its condition, or by an expression, or by both.
func TestDependencies(t *testing.T) {
	dependency := func(ready bool, expr string) func(*world) {
		return func(w *world) {
			w.hr.Spec.DependsOn = []api.DependencyReference{{Name: "db", ReadyExpr: expr}}
			db := object(func(o *v2.HelmRelease) { o.Name, o.Labels = "db", map[string]string{"v": "1"} })
			if ready {
				db.Status.Conditions = conditions.Set(nil, metav1.Condition{Type: api.ConditionReady, Status: metav1.ConditionTrue}, time.Now())
			}
			w.objects[reconcilers.NewRef(api.HelmReleaseGVK.GroupKind(), "apps", "db")] = db
		}
	}
	for name, test := range map[string]struct {
		given    func(*world)
		additive bool
		want     string
	}{
		"ready":                         {dependency(true, ""), false, ""},
		"not ready":                     {dependency(false, ""), false, "dependency 'apps/db' is not ready"},
		"by expression":                 {dependency(false, "dep.metadata.labels['v'] == '1'"), false, ""},
		"not by expression":             {dependency(true, "dep.metadata.labels['v'] == '2'"), false, "dependency 'apps/db' is not ready according to readyExpr eval"},
		"by expression, and not ready":  {dependency(false, "dep.metadata.labels['v'] == '1'"), true, "dependency 'apps/db' is not ready"},
		"by expression, which fails":    {dependency(true, "dep.status.nothing == 1"), false, "failed to evaluate dependency db"},
		"by expression, and ready, too": {dependency(true, "dep.metadata.labels['v'] == '1'"), true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.r.options.AdditiveReadyExpr = test.additive
			test.given(w)
			err := w.run(0)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The HelmChart is written when it differs, once otherwise, and deleted when the spec
// does not describe it any more.
func TestTemplate(t *testing.T) {
	w := newWorld(t, template())
	w.hr.Spec.ChartRef = nil
	step := func(what string, wrote ...string) {
		t.Helper()
		w.charts = nil
		_ = w.run(0)
		w.want(what, w.charts, wrote)
	}
	chart := func() *sourcev1.HelmChart {
		return w.objects[reconcilers.NewRef(api.HelmChartGVK.GroupKind(), "apps", "apps-web")].(*sourcev1.HelmChart)
	}
	step("created", "apply apps/apps-web")
	w.want("status", w.hr.Status.HelmChart, "apps/apps-web")
	if !w.told("trace HelmChartCreated", "Created HelmChart/apps/apps-web with SourceRef 'HelmRepository/apps/charts'") {
		t.Errorf("told %q", w.facts)
	}
	step("nothing new")
	chart().Labels["x"], chart().Spec.Suspend = "1", true
	step("what others have put on it")
	w.r.sent = newSent()
	step("after a restart")
	chart().Spec.Version = "9"
	step("set back", "apply apps/apps-web")
	w.edit(func(o *v2.HelmRelease) {
		o.Spec.Chart.ObjectMeta = &v2.HelmChartTemplateObjectMeta{Labels: map[string]string{"a": "b"}}
	})
	step("a label more", "apply apps/apps-web")
	w.edit(func(o *v2.HelmRelease) { o.Spec.Chart.ObjectMeta = nil })
	step("a label less", "apply apps/apps-web")
	chart().Labels["a"], w.r.sent = "b", newSent()
	step("a label that went before a restart", "apply apps/apps-web")
	w.edit(func(o *v2.HelmRelease) { o.Spec.Chart.Spec.SourceRef.Namespace = "shared" })
	step("elsewhere", "delete apps/apps-web", "apply shared/apps-web")
	w.edit(func(o *v2.HelmRelease) {
		o.Spec.Chart, o.Spec.ChartRef = nil, &v2.CrossNamespaceSourceReference{Kind: api.OCIRepositoryKind, Name: "chart"}
	})
	step("by reference", "delete shared/apps-web")
	w.want("status", w.hr.Status.HelmChart, "")
	w.want("Ready", w.ready(), "True/InstallSucceeded")
}

// A HelmChart that has been taken over is left to whoever did.
func TestTemplateOfOthers(t *testing.T) {
	w := newWorld(t)
	w.hr.Status.HelmChart = "apps/apps-web"
	taken := chartOf(object(template(), func(o *v2.HelmRelease) { o.Name = "b-web" }))
	w.objects[reconcilers.NewRef(api.HelmChartGVK.GroupKind(), "apps", "apps-web")] = taken
	_ = w.run(0)
	w.want("writes", w.charts, []string(nil))
	w.want("status", w.hr.Status.HelmChart, "")
}

// A chart of a HelmChart keeps its version; its digest is not recorded.
func TestChartOfAHelmChart(t *testing.T) {
	w := newWorld(t, chartRef(api.HelmChartKind, "", "packaged"))
	b := w.store.NewBuilder(artifacts.Limits{})
	if err := b.AddFile("podinfo/Chart.yaml", 0o644, []byte("apiVersion: v2\nname: podinfo\nversion: 2.3.4\n")); err != nil {
		t.Fatal(err)
	}
	tree, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	chart := &sourcev1.HelmChart{}
	chart.SetGroupVersionKind(api.HelmChartGVK)
	chart.Namespace, chart.Name = "apps", "packaged"
	w.publish(chart, &chart.Status.Artifact, tree, "2.3.4")
	if err := w.run(0); err != nil {
		t.Fatal(err)
	}
	w.want("attempted", []string{w.hr.Status.LastAttemptedRevision, w.hr.Status.LastAttemptedRevisionDigest}, []string{"2.3.4", ""})
}

// References are everything that wakes the object.
func TestReferences(t *testing.T) {
	w := newWorld(t, func(o *v2.HelmRelease) {
		o.Spec.DependsOn = []api.DependencyReference{{Name: "db"}, {Name: "cache", Namespace: "data", ReadyExpr: "true"}, {Name: "web", ReadyExpr: "true"}}
		o.Spec.ValuesFrom = []v2.ValuesReference{{Kind: "Secret", Name: "s"}, {Kind: "ConfigMap", Name: "c"}}
		o.Spec.KubeConfig = &api.KubeConfigReference{SecretRef: &api.SecretKeyReference{Name: "there"}}
		o.Annotations = map[string]string{"fluxd.io/values-files": "decryption: {provider: sops, secretRef: {name: keys}}\nfiles: [{path: a.yaml}, {path: b.yaml, sourceRef: {kind: GitRepository, name: repo}}]"}
	})
	var got []string
	for _, ref := range w.r.References(w.hr) {
		text := ref.String()
		if ref.Whole {
			text += " whole"
		}
		got = append(got, text)
	}
	w.want("references", got, []string{
		"Secret/apps/there", "OCIRepository/apps/chart", "HelmRelease/apps/db", "HelmRelease/data/cache whole", "HelmRelease/apps/web",
		"Secret/apps/s", "ConfigMap/apps/c", "GitRepository/apps/repo", "Secret/apps/keys",
	})
	w.want("with a template", w.r.References(object(template()))[0].String(), "HelmChart/apps/apps-web")
}

// Values of files come below those of the spec; they may be those of another source.
func TestValuesFiles(t *testing.T) {
	w := newWorld(t, func(o *v2.HelmRelease) {
		o.Annotations = map[string]string{"fluxd.io/values-files": "files:\n- path: edge.yaml\n- {path: x/app.yaml, sourceRef: {kind: GitRepository, name: repo}}\n- {path: none.yaml, optional: true}"}
		o.Spec.Values = &api.JSON{Raw: []byte(`{"inline":"yes","both":"spec"}`)}
	})
	w.push("1.0.0", map[string]string{"edge.yaml": "edge: yes\nboth: chart\n"})
	err := w.run(0)
	w.want("Ready", w.ready(), "False/SourceNotReady")
	if err == nil || !strings.Contains(err.Error(), "GitRepository 'apps/repo' is not ready: not found") {
		t.Errorf("got %v", err)
	}
	b := w.store.NewBuilder(artifacts.Limits{})
	if err := b.AddFile("x/app.yaml", 0o644, []byte("app: 1\nboth: repo\n")); err != nil {
		t.Fatal(err)
	}
	tree, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	repo := &sourcev1.GitRepository{}
	repo.SetGroupVersionKind(api.GitRepositoryGVK)
	repo.Namespace, repo.Name = "apps", "repo"
	w.publish(repo, &repo.Status.Artifact, tree, "main@sha1:1")
	if err := w.run(0); err != nil {
		t.Fatal(err)
	}
	w.want("values", w.storage.install.Values, map[string]any{"edge": true, "app": float64(1), "inline": "yes", "both": "spec"})
}

// What a decryption of such files asks for and cannot have is refused.
func TestDecryptionThatIsRefused(t *testing.T) {
	w := newWorld(t)
	p := w.r.pass(w.hr)
	for name, d := range map[string]*v1.Decryption{
		"another provider": {Provider: "magic"}, "an account": {Provider: "sops", ServiceAccountName: "x"},
		"keys that are not there": {Provider: "sops", SecretRef: &api.LocalObjectReference{Name: "missing"}},
	} {
		if _, err := p.decrypter(t.Context(), d); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if d, err := p.decrypter(t.Context(), nil); d != nil || err != nil {
		t.Errorf("without decryption: %v, %v", d, err)
	}
}
