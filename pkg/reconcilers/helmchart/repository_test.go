package helmchart_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/sources/helm/helmtest"
)

func version(v string) func(*v1.HelmChart) { return func(o *v1.HelmChart) { o.Spec.Version = v } }

func valuesFiles(files ...string) func(*v1.HelmChart) {
	return func(o *v1.HelmChart) { o.Spec.ValuesFiles = files }
}

func ignoreMissing(o *v1.HelmChart) { o.Spec.IgnoreMissingValuesFiles = true }

func named(chart string) func(*v1.HelmChart) { return func(o *v1.HelmChart) { o.Spec.Chart = chart } }

func TestPulled(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	result := w.ready(o)
	want := "pulled 'app' chart with version '1.1.0'"
	if result.Reason != api.ReasonChartPullSucceeded || result.Message != want || result.Revision != "1.1.0" {
		t.Errorf("the result is %+v", result)
	}
	if f := result.Fact; f == nil || f.Reason != api.ReasonChartPullSucceeded || f.Message != want {
		t.Errorf("the fact is %+v", f)
	}
	if !bytes.Equal(w.archive(o), chart("1.1.0")) {
		t.Error("the archive is not as it came")
	}
	s := o.Status
	if s.Artifact.Path != "helmchart/ns/app/app-1.1.0.tgz" || s.URL != "http://source/helmchart/ns/app/latest.tar.gz" ||
		s.ObservedChartName != "app" || s.ObservedSourceArtifactRevision != w.repository("charts").Status.Artifact.Revision {
		t.Errorf("the status is %+v", s)
	}
	c := conditions.Get(s.Conditions, api.ConditionArtifactInStorage)
	if c == nil || c.Reason != api.ReasonChartPullSucceeded || c.Message != want {
		t.Errorf("the condition is %+v", c)
	}
}

func TestUnchangedAndRestarted(t *testing.T) {
	for name, change := range map[string]func(*v1.HelmChart){
		"as it came":       func(*v1.HelmChart) {},
		"with values":      valuesFiles("values.yaml", "prod.yaml"),
		"with some values": func(o *v1.HelmChart) { valuesFiles("gone.yaml", "prod.yaml")(o); ignoreMissing(o) },
		"with no values":   func(o *v1.HelmChart) { valuesFiles("gone.yaml")(o); ignoreMissing(o) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.object(change)
			w.ready(o)
			before := o.DeepCopy()
			w.server.Counts()
			result := w.ready(o)
			if diff := cmp.Diff(before.Status, o.Status); diff != "" {
				t.Errorf("the status changed:\n%s", diff)
			}
			if f := result.Fact; f == nil || f.Reason != api.ReasonArtifactUpToDate || !f.Routine {
				t.Errorf("the fact is %+v", f)
			}
			if asked, _ := w.server.Counts(); asked != 0 {
				t.Errorf("%d requests for nothing new", asked)
			}
			w.restart()
			if result := w.ready(o); result.Fact != nil {
				t.Errorf("the fact after a restart is %+v", result.Fact)
			}
			if diff := cmp.Diff(before.Status, o.Status); diff != "" {
				t.Errorf("the status changed with a restart:\n%s", diff)
			}
			w.archive(o)
		})
	}
}

func TestNewVersion(t *testing.T) {
	w := newWorld(t)
	o, fixed, ranged := w.object(), w.object(version("1.0.0")), w.object(version("1.0.x"))
	for _, each := range []*v1.HelmChart{o, fixed, ranged} {
		w.ready(each)
	}
	w.offer("1.0.0", "1.0.1", "1.1.0", "1.2.0")
	w.restart() // the index is read by HelmRepository, which is not here
	for want, each := range map[string]*v1.HelmChart{"1.2.0": o, "1.0.0": fixed, "1.0.1": ranged} {
		w.ready(each)
		if got := each.Status.Artifact.Revision; got != want {
			t.Errorf("%s: got %s, want %s", each.Spec.Version, got, want)
		}
	}
}

// A newer chart that cannot be had is told beside the failure.
func TestArtifactOutdated(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	w.offer("1.1.0", "1.2.0")
	w.put("1.2.0", []byte("<html>"))
	w.restart()
	if _, err := w.reconcile(o); err == nil {
		t.Fatal("what is no chart was taken")
	}
	c := conditions.Get(o.Status.Conditions, api.ConditionArtifactOutdated)
	if c == nil || c.Reason != api.ReasonNewChart || c.Message != "new 'app' chart with version '1.2.0'" {
		t.Errorf("the condition is %+v", c)
	}
	w.offer("1.1.0", "1.2.0")
	w.restart()
	w.ready(o) // holds it to be gone
}

// A changed list of values files makes a new version, whose metadata is the
// generation.
func TestValuesFiles(t *testing.T) {
	w := newWorld(t)
	o := w.object(valuesFiles("values.yaml", "prod.yaml"))
	o.Generation = 2
	result := w.ready(o)
	if result.Reason != api.ReasonChartPackageSucceeded ||
		result.Message != "packaged 'app' chart with version '1.1.0+2' and merged values files [values.yaml prod.yaml]" {
		t.Errorf("the result is %+v", result)
	}
	if got := w.file(o, "app/values.yaml"); got != "color: red\nsize: 3\n" {
		t.Errorf("the values are %q", got)
	}
	if got := w.file(o, "app/Chart.yaml"); !strings.Contains(got, "version: 1.1.0+2\n") {
		t.Errorf("Chart.yaml is %q", got)
	}
	if o.Status.Artifact.Path != "helmchart/ns/app/app-1.1.0+2.tgz" || o.Status.ObservedValuesFiles != nil {
		t.Errorf("the status is %+v", o.Status)
	}
	o.Spec.ValuesFiles, o.Generation = []string{"values.yaml"}, 3
	if result := w.ready(o); result.Message != "pulled 'app' chart with version '1.1.0'" {
		t.Errorf("with the defaults alone: %+v", result)
	}
	o.Spec.ValuesFiles, o.Spec.IgnoreMissingValuesFiles, o.Generation = []string{"gone.yaml", "prod.yaml"}, true, 4
	w.ready(o)
	if diff := cmp.Diff([]string{"prod.yaml"}, o.Status.ObservedValuesFiles); diff != "" || o.Status.Artifact.Revision != "1.1.0+4" {
		t.Errorf("of %s (-want +got):\n%s", o.Status.Artifact.Revision, diff)
	}
	o.Spec.ValuesFiles, o.Generation = []string{"gone.yaml"}, 5
	w.ready(o)
	if got := w.file(o, "app/values.yaml"); got != "" || len(o.Status.ObservedValuesFiles) != 0 {
		t.Errorf("where all are missing the values are %q, of %v", got, o.Status.ObservedValuesFiles)
	}
}

func TestForcedByGeneration(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	w.server.Counts()
	o.Generation = 2
	w.ready(o)
	if _, whole := w.server.Counts(); whole != 0 {
		t.Errorf("a chart that is in memory was downloaded %d times", whole)
	}
	if o.Status.ObservedGeneration != 2 {
		t.Error("the generation was not observed")
	}
}

// Objects that want the same chart share it.
func TestShared(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"one", "two", "three"} {
		o := w.object()
		o.Name = name
		w.ready(o)
	}
	if asked, _ := w.server.Counts(); asked != 2 {
		t.Errorf("%d requests, want one for the index and one for the chart", asked)
	}
	if stats := w.store.Stats(); stats.Artifacts != 3 || stats.Blobs != 1 {
		t.Errorf("the store has %+v", stats)
	}
}

func TestFailures(t *testing.T) {
	reference := func(text string) failure {
		return failure{api.ConditionFetchFailed, api.ReasonInvalidChartReference, true, text}
	}
	pull := func(text string) failure {
		return failure{api.ConditionFetchFailed, api.ReasonChartPullError, false, text}
	}
	for name, tc := range map[string]struct {
		object func(*v1.HelmChart)
		world  func(*world)
		want   failure
	}{
		"a version that there is not":  {version("9.9.9"), nil, reference("invalid chart reference: failed to get chart version for remote reference: ")},
		"a range that nothing is in":   {version(">9"), nil, reference(`matching ">9"`)},
		"a version that is none":       {version("latest"), nil, reference(`"latest" is neither a version`)},
		"a chart that there is not":    {named("gone"), nil, reference(`no chart "gone"`)},
		"a name that is none":          {named("../App"), nil, reference("spec.chart: invalid chart name '../App'")},
		"a name without end":           {named(strings.Repeat("a", 100_000)), nil, reference("invalid chart name")},
		"a source of another kind":     {func(o *v1.HelmChart) { o.Spec.SourceRef.Kind = "OCIRepository" }, nil, failure{api.ConditionFetchFailed, api.ReasonUnsupportedSourceKind, true, "spec.sourceRef.kind"}},
		"no source":                    {func(o *v1.HelmChart) { o.Spec.SourceRef.Name = "gone" }, nil, failure{api.ConditionFetchFailed, api.ReasonSourceUnavailable, false, "HelmRepository 'ns/gone' not found"}},
		"values that there are not":    {valuesFiles("gone.yaml"), nil, failure{api.ConditionBuildFailed, api.ReasonValuesFilesError, true, "values files merge error: "}},
		"a signature of a server":      {func(o *v1.HelmChart) { o.Spec.Verify = &v1.HelmChartVerification{Provider: "cosign"} }, nil, failure{api.ConditionBuildFailed, api.ReasonChartVerificationError, false, "spec.verify"}},
		"no archive":                   {nil, func(w *world) { w.server.Delete("/app-1.1.0.tgz") }, pull("404 Not Found")},
		"an archive that is another":   {nil, func(w *world) { w.server.Put("/app-1.1.0.tgz", chart("1.0.0")) }, pull("digest differs")},
		"an archive that is none":      {nil, func(w *world) { w.put("1.1.0", []byte("<html>")) }, pull("no compressed archive")},
		"an archive that is cut":       {nil, func(w *world) { w.put("1.1.0", chart("1.1.0")[:100]) }, pull("ends too early")},
		"an archive that leads out":    {nil, func(w *world) { w.put("1.1.0", helmtest.Chart("app", "1.1.0", helmtest.Member{Name: "app/../../x"})) }, pull("leads out of it")},
		"an archive that is too large": {nil, func(w *world) { w.put("1.1.0", make([]byte, 11<<20)) }, pull("more than the 10485760")},
		"values, and a broken archive": {valuesFiles("prod.yaml"), func(w *world) { w.put("1.1.0", []byte("<html>")) }, failure{api.ConditionBuildFailed, api.ReasonChartPackageError, false, "chart package error: failed to load downloaded chart"}},
		"no index":                     {nil, func(w *world) { w.server.Delete("/index.yaml") }, pull("404 Not Found")},
		"an index that is none":        {nil, func(w *world) { w.server.Put("/index.yaml", []byte("<html>")) }, pull("not the index")},
		"an entry that is none":        {nil, func(w *world) { w.server.Publish([]string{"app", "  - name: app\n    version: 1.0.0\n    urls: x\n"}) }, pull("unusable entry")},
		"no permission":                {nil, func(w *world) { w.server.Require("x") }, failure{api.ConditionFetchFailed, api.ReasonAuthenticationFailed, false, "401"}},
		"no Secret":                    {nil, func(w *world) { w.repository("charts").Spec.SecretRef = &api.LocalObjectReference{Name: "gone"} }, failure{api.ConditionFetchFailed, api.ReasonAuthenticationFailed, false, "HelmRepository 'charts': spec.secretRef"}},
		"half a Secret": {nil, func(w *world) {
			w.secrets["ns/half"] = secret{data: map[string][]byte{"username": []byte("hidden")}}
			w.repository("charts").Spec.SecretRef = &api.LocalObjectReference{Name: "half"}
		}, failure{api.ConditionFetchFailed, api.ReasonAuthenticationFailed, false, "username and password need each other"}},
		"a URL of no protocol": {nil, func(w *world) { w.repository("charts").Spec.URL = "ftp://example.com" }, failure{api.ConditionFetchFailed, api.ReasonFailed, true, "scheme"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			good := w.object()
			w.ready(good)
			kept := good.Status.Artifact.DeepCopy()
			w.restart()
			if tc.world != nil {
				tc.world(w)
			}
			if tc.object != nil {
				tc.object(good)
			}
			good.Generation = 2
			w.fails(good, tc.want)
			if diff := cmp.Diff(kept, good.Status.Artifact); diff != "" {
				t.Errorf("the artifact changed:\n%s", diff)
			}
		})
	}
}

// put replaces an archive and has the index agree.
func (w *world) put(version string, archive []byte) {
	w.server.Publish([]string{"app", w.server.Offer("app", version, archive)})
}

func TestRecovery(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	o.Spec.Version, o.Generation = "9.9.9", 2
	w.fails(o, failure{api.ConditionFetchFailed, api.ReasonInvalidChartReference, true, ""})
	o.Spec.Version, o.Generation = "*", 3
	result := w.ready(o)
	if f := result.Fact; f == nil || f.Reason != api.ReasonChartPullSucceeded || f.Routine {
		t.Errorf("the fact is %+v", f)
	}
	if conditions.Has(o.Status.Conditions, api.ConditionFetchFailed) {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}

func TestSourceWithoutArtifact(t *testing.T) {
	w := newWorld(t)
	w.repository("charts").Status.Artifact = nil
	o := w.object()
	w.fails(o, failure{api.ConditionFetchFailed, api.ReasonNoSourceArtifact, false, "no artifact available for HelmRepository source 'charts'"})
	_, err := w.reconcile(o)
	if waiting, ok := errors.AsType[*fault.WaitingError](err); !ok || waiting.After == 0 {
		t.Errorf("got %v, want a wait", err)
	}
}

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	w.server.Require("hidden")
	w.secrets["ns/login"] = secret{data: map[string][]byte{"username": []byte("u"), "password": []byte("hidden")}}
	w.repository("charts").Spec.SecretRef = &api.LocalObjectReference{Name: "login"}
	w.ready(w.object())
}

// Credentials do not follow the index to another host, unless they are to.
func TestOtherHost(t *testing.T) {
	w := newWorld(t)
	other := helmtest.New()
	defer other.Close()
	other.Require("hidden")
	other.Offer("app", "1.1.0", chart("1.1.0"))
	w.server.Require("hidden")
	w.server.Publish([]string{"app", "  - name: app\n    version: 1.1.0\n    urls: ['" + other.URL + "/app-1.1.0.tgz?token=hidden']\n"})
	w.secrets["ns/login"] = secret{data: map[string][]byte{"username": []byte("u"), "password": []byte("hidden")}}
	w.repository("charts").Spec.SecretRef = &api.LocalObjectReference{Name: "login"}
	o := w.object()
	w.fails(o, failure{api.ConditionFetchFailed, api.ReasonAuthenticationFailed, false, "401"})
	w.repository("charts").Spec.PassCredentials = true
	w.ready(o)
}

func TestSuspendedSource(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	pinned := w.repository("charts")
	pinned.Spec.Suspend = true
	recorded := pinned.Status.Artifact.DeepCopy()
	w.offer("1.0.0", "3.0.0")
	pinned.Status.Artifact = recorded
	w.server.Counts()
	w.ready(o)
	if asked, _ := w.server.Counts(); asked != 0 || o.Status.Artifact.Revision != "1.1.0" {
		t.Errorf("%d requests, and the version is %s", asked, o.Status.Artifact.Revision)
	}
	w.restart()
	_, err := w.reconcile(o)
	if waiting, ok := errors.AsType[*fault.WaitingError](err); !ok || !waiting.KeepReady {
		t.Errorf("where the index has changed: got %v, want a wait that keeps Ready", err)
	}
	if conditions.Has(o.Status.Conditions, api.ConditionFetchFailed) {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
	w.offer("1.0.0", "1.1.0", "2.0.0-rc.1")
	w.restart()
	w.ready(o)
}

// A node that starts without a network goes on with the chart on its disk, and takes
// the next one when there is a new index.
func TestRestartWithoutNetwork(t *testing.T) {
	for name, change := range map[string]func(*v1.HelmChart){
		"as it came": func(*v1.HelmChart) {}, "with values": valuesFiles("prod.yaml"), "with none": func(o *v1.HelmChart) { valuesFiles("gone.yaml")(o); ignoreMissing(o) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.dir = t.TempDir()
			w.restart()
			t.Cleanup(func() { w.store.Close() })
			o := w.object(change)
			w.ready(o)
			before := o.DeepCopy()
			w.server.Delete("/index.yaml")
			w.restart()
			w.ready(o)
			if diff := cmp.Diff(before.Status, o.Status); diff != "" {
				t.Errorf("the status changed:\n%s", diff)
			}
			w.archive(o)
			w.offer("1.0.0", "1.1.0", "1.2.0")
			w.ready(o)
			if got := o.Status.Artifact.Revision; !strings.HasPrefix(got, "1.2.0") {
				t.Errorf("with a new index it is %s", got)
			}
		})
	}
}

func TestRefill(t *testing.T) {
	for name, change := range map[string]func(*v1.HelmChart){
		"as it came":  func(*v1.HelmChart) {},
		"with values": valuesFiles("prod.yaml"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.object(change)
			w.ready(o)
			o.Spec.Suspend = true
			w.offer("1.0.0", "1.1.0", "1.2.0")
			w.restart()
			before := o.DeepCopy()
			w.ready(o)
			if diff := cmp.Diff(before.Status.Artifact, o.Status.Artifact); diff != "" {
				t.Errorf("the artifact changed:\n%s", diff)
			}
			w.archive(o)

			w.restart()
			w.put("1.1.0", helmtest.Chart("app", "1.1.0"))
			if _, err := w.reconcile(o); err == nil {
				t.Error("another chart of the same version was taken for the recorded one")
			}
		})
	}
}

func TestFinalizeAndReferences(t *testing.T) {
	w := newWorld(t)
	o := w.object(func(o *v1.HelmChart) {
		o.Spec.Verify = &v1.HelmChartVerification{Provider: "cosign", SecretRef: &api.LocalObjectReference{Name: "keys"}}
	})
	w.repository("charts").Spec.SecretRef = &api.LocalObjectReference{Name: "login"}
	var refs []string
	for _, ref := range w.plugin.References(o) {
		refs = append(refs, ref.String())
	}
	if diff := cmp.Diff([]string{"HelmRepository/ns/charts", "Secret/ns/login", "Secret/ns/keys"}, refs); diff != "" {
		t.Error(diff)
	}
	w.repository("charts").Spec.SecretRef = nil
	o.Spec.Verify = nil
	w.ready(o)
	for range 2 {
		if err := w.plugin.Finalize(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
	if stats := w.store.Stats(); stats.Artifacts != 0 {
		t.Errorf("the store has %+v", stats)
	}
}

func TestShutdown(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := w.object()
	if _, err := w.plugin.Reconcile(ctx, o); !errors.Is(err, context.Canceled) || len(o.Status.Conditions) > 0 {
		t.Errorf("got %v, %+v", err, o.Status.Conditions)
	}
}

func TestSlowServer(t *testing.T) {
	w := newWorld(t)
	slow := helmtest.New()
	slow.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	defer slow.Close()
	w.repository("charts").Spec.URL = slow.URL
	w.repository("charts").Spec.Timeout = &metav1.Duration{Duration: 50_000_000}
	w.fails(w.object(), failure{api.ConditionFetchFailed, api.ReasonChartPullError, false, "deadline exceeded"})
}
