package e2e

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// diesOr waits until the daemon was killed, or an object is as end says, and returns
// which.
func (w *ownWorld) diesOr(killed <-chan struct{}, gvr schema.GroupVersionResource, name string, end is) (died bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	go func() {
		select {
		case <-killed:
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := w.Wait(ctx, gvr, w.namespace, name, end)
	select {
	case <-killed:
		w.gate.watch(nil, nil)
		return true
	default:
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return false
}

// killedAtEach goes through something as often as it makes writes, and once more: each
// time the daemon is killed after one write further, and another one is started. So the
// cluster is left in every state in which a process that dies can leave it.
//
// Prepare brings about the state before, begin what makes the writes. The object with the
// name is as end says once all is done, which check looks at.
func (w *ownWorld) killedAtEach(gvr schema.GroupVersionResource, name string, prepare, begin func(), end is, check func()) {
	w.t.Helper()
	for n := 1; ; n++ {
		prepare()
		killed := w.killAt(moment{write: n, after: true})
		begin()
		died := w.diesOr(killed, gvr, name, end)
		if died {
			w.start()
			w.wait(gvr, name, end)
		}
		check()
		if w.t.Failed() {
			w.t.Fatalf("killed after write %d, or never: %t", n, died)
		}
		if !died {
			w.t.Logf("killed after %d of the writes %q", n-1, w.gate.seen())
			return
		}
	}
}

// A commit that takes six of eight objects away.
func TestKilledAtEachWriteOfAPrune(t *testing.T) {
	w := newOwnWorld(t, manyObjects(0, 8, "1"))
	w.install()
	w.start()
	without := files{}
	for name := range manyObjects(2, 8, "") {
		without[name] = ""
	}
	pruned := 0
	commit := ""
	applied := func(obj *unstructured.Unstructured) bool {
		return harness.Ready(obj) && field(obj, "status", "lastAppliedRevision") == "main@sha1:"+commit
	}
	w.killedAtEach(harness.Kustomized, "app", func() {
		if pruned > 0 {
			commit = w.commit(manyObjects(0, 8, "1"))
			w.request(harness.Sources, "repo")
			w.applied("app", commit)
		}
		w.ready("app")
		w.exact(map[string]int{"1": 8})
		pruned++
		commit = w.commit(without)
	}, func() {
		w.request(harness.Sources, "repo")
	}, applied, func() {
		w.exact(map[string]int{"1": 2})
	})
}

// The deletion of a Kustomization that has applied eight objects.
func TestKilledAtEachWriteOfADeletion(t *testing.T) {
	w := newOwnWorld(t, manyObjects(0, 8, "1"))
	w.source("repo", "url: "+w.git.RepoURL(w.repo))
	w.start()
	w.killedAtEach(harness.Kustomized, "app", func() {
		w.kustomization("app", "./app")
		w.ready("app")
		w.exact(map[string]int{"1": 8})
	}, func() {
		w.delete(harness.Kustomized, "app")
	}, harness.Gone, w.deletesAll)
}

// The deletion of a HelmRelease, whose chart has hooks before and after that. Every hook
// runs once.
func TestKilledAtEachWriteOfAnUninstall(t *testing.T) {
	content := chartWithHooks("1.0.0", "first")
	content["chart/templates/before.yaml"] = hookOf("before", "pre-delete")
	content["chart/templates/after.yaml"] = hookOf("after", "post-delete")
	w := newOwnWorld(t, content)
	w.source("repo", "url: "+w.git.RepoURL(w.repo))
	w.start()
	since := w.mark()
	chart := w.namespace + "-web"
	w.killedAtEach(api.HelmReleaseGVR, "web", func() {
		w.helmRelease("")
		w.released("1.0.0")
		equal(t, "words", []string{"first", "first"}, w.words())
		since = w.mark()
	}, func() {
		w.delete(api.HelmReleaseGVR, "web")
	}, harness.Gone, func() {
		equal(t, "records", []string(nil), w.records())
		equal(t, "words", []string{"", ""}, w.words())
		equal(t, "hooks", map[string]int{"web-before": 1, "web-after": 1}, w.ran(since))
		if w.get(api.HelmChartGVR, chart) != nil {
			t.Error("the HelmChart is left")
		}
	})
}
