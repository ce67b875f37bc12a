package e2e

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

// hookOf is a Job that is a hook.
func hookOf(name, events string) string {
	return fmt.Sprintf(`apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-%s
  annotations: {helm.sh/hook: "%s"}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: job, image: example.com/job}]
`, name, events)
}

// chartWithHooks are the files of a chart that has a hook before and one after its two
// ConfigMaps.
func chartWithHooks(version, word string) files {
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-%s}\ndata: {word: {{ .Values.word }}}\n"
	return files{
		"chart/Chart.yaml":            "apiVersion: v2\nname: app\nversion: " + version + "\n",
		"chart/values.yaml":           "word: " + word + "\n",
		"chart/templates/before.yaml": hookOf("before", "pre-install,pre-upgrade"),
		"chart/templates/after.yaml":  hookOf("after", "post-install,post-upgrade"),
		"chart/templates/one.yaml":    fmt.Sprintf(config, "one"),
		"chart/templates/two.yaml":    fmt.Sprintf(config, "two"),
	}
}

// release creates the source "repo" and the HelmRelease "web" of its chart.
func (w *ownWorld) release(spec string) {
	w.t.Helper()
	w.source("repo", "url: "+w.git.RepoURL(w.repo))
	w.helmRelease(spec)
}

// helmRelease creates the HelmRelease "web" of the chart in the source "repo".
func (w *ownWorld) helmRelease(spec string) {
	w.t.Helper()
	w.create(w.manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web",
		"chart: {metadata: {labels: "+w.labels+"}, spec: {chart: chart, sourceRef: {kind: GitRepository, name: repo}}}\ninterval: 10m\n"+spec))
}

// released waits until the HelmRelease "web" is ready with a version of the chart.
func (w *ownWorld) released(version string) *unstructured.Unstructured {
	w.t.Helper()
	return w.wait(api.HelmReleaseGVR, "web", releasedAt(version))
}

// records returns the records of releases: the name with the status.
func (w *world) records() []string {
	w.t.Helper()
	out := w.kubectl("get", "secrets", "-l", "owner=helm", "--sort-by=.metadata.name",
		"-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.status}{"\n"}{end}`)
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// history returns the revisions in the status of an object: the number and the status.
func (w *world) history(obj *unstructured.Unstructured) []string {
	w.t.Helper()
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "history")
	var out []string
	for _, item := range list {
		s := item.(map[string]any)
		out = append(out, fmt.Sprint(s["version"], " ", s["status"]))
	}
	return out
}

// ran counts how often each hook was created since a mark.
func (w *world) ran(since controlplane.AuditMark) map[string]int {
	w.t.Helper()
	runs := map[string]int{}
	for _, request := range w.requests(since) {
		if hook, ok := strings.CutPrefix(request, "batch/jobs patch "); ok && hook != "" {
			runs[hook]++
		}
	}
	return runs
}

// words returns the values of the two ConfigMaps.
func (w *world) words() []string {
	w.t.Helper()
	var out []string
	for _, name := range []string{"web-one", "web-two"} {
		word := ""
		if obj := w.get(harness.ConfigMaps, name); obj != nil {
			word, _, _ = unstructured.NestedString(obj.Object, "data", "word")
		}
		out = append(out, word)
	}
	return out
}

// An install makes about 20 writes: of the source, the HelmChart, the finalizer, the
// status, the record, the hooks and the objects. Whatever was the last of them, there
// is one revision afterwards, and every hook ran once.
func TestKilledInRelease(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 24; n++ {
		m := moment{write: n, after: n%2 == 0}
		t.Run(m.String(), func(t *testing.T) {
			w := newOwnWorld(t, chartWithHooks("1.0.0", "first"))
			since := w.mark()
			killed := w.killAt(m)
			w.release("")
			w.start()
			if w.diesOr(killed, api.HelmReleaseGVR, "web", harness.Ready) {
				w.start()
			}
			obj := w.released("1.0.0")
			equal(t, "records", []string{"sh.helm.release.v1.web.v1 deployed"}, w.records())
			equal(t, "history", []string{"1 deployed"}, w.history(obj))
			equal(t, "hooks", map[string]int{"web-before": 1, "web-after": 1}, w.ran(since))
			equal(t, "words", []string{"first", "first"}, w.words())
			status, reason, _ := harness.Condition(obj, "Released")
			equal(t, "Released", "True/InstallSucceeded", status+"/"+reason)
			if len(w.inventory(obj)) != 2 {
				t.Errorf("the inventory is %v", w.inventory(obj))
			}
		})
	}
}

// An upgrade makes as many. The revision before it stays as it was until it has succeeded.
func TestKilledInUpgradeOfRelease(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 24; n++ {
		m := moment{write: n, after: n%2 == 1}
		t.Run(m.String(), func(t *testing.T) {
			w := newOwnWorld(t, chartWithHooks("1.0.0", "first"))
			w.release("")
			w.start()
			w.released("1.0.0")
			w.commit(chartWithHooks("2.0.0", "second"))
			since := w.mark()
			killed := w.killAt(m)
			w.request(harness.Sources, "repo")
			if w.diesOr(killed, api.HelmReleaseGVR, "web", releasedAt("2.0.0")) {
				w.start()
			}
			obj := w.released("2.0.0")
			equal(t, "records", []string{"sh.helm.release.v1.web.v1 superseded", "sh.helm.release.v1.web.v2 deployed"}, w.records())
			equal(t, "history", []string{"2 deployed", "1 superseded"}, w.history(obj))
			equal(t, "hooks", map[string]int{"web-before": 1, "web-after": 1}, w.ran(since))
			equal(t, "words", []string{"second", "second"}, w.words())
		})
	}
}

// releasedAt says whether an object is ready with a version of the chart.
func releasedAt(version string) is {
	return func(obj *unstructured.Unstructured) bool {
		return harness.Ready(obj) && field(obj, "status", "lastAttemptedRevision") == version
	}
}
