package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

// fleet is a number of Kustomizations and HelmReleases that get new generations while
// objects of theirs are edited and deleted.
type fleet struct {
	*ownWorld
	apps, releases int // how many there are
	generation     int
	commit         string
	began          controlplane.AuditMark
}

// newFleet returns a fleet in a world whose repository is empty.
func newFleet(w *ownWorld, apps, releases int) *fleet {
	f := &fleet{ownWorld: w, apps: apps, releases: releases, began: w.mark(), generation: 1}
	f.commit = w.commit(f.at(1))
	return f
}

func appName(i int) string     { return fmt.Sprintf("app-%d", i) }
func releaseName(i int) string { return fmt.Sprintf("web-%d", i) }

// at are the files of a generation: an object of each app that stays, one that goes with
// the next generation, and a chart with hooks.
func (f *fleet) at(generation int) files {
	value := strconv.Itoa(generation)
	all := chartWithHooks(value+".0.0", "word-"+value)
	for i := range f.apps {
		app := appName(i)
		all[app+"/stays.yaml"] = configMap(app+"-stays", value)
		all[app+"/account.yaml"] = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: " + app + ", namespace: NS}\n"
		all[app+"/goes.yaml"] = configMap(app+"-goes-"+value, value)
	}
	return all
}

// next commits the next generation.
func (f *fleet) next() {
	f.t.Helper()
	f.generation++
	f.commit = f.ownWorld.commit(f.at(f.generation))
	f.request(harness.Sources, "repo")
}

func (f *fleet) install() {
	f.t.Helper()
	f.source("repo", "url: "+f.git.RepoURL(f.repo))
	for i := range f.apps {
		f.kustomization(appName(i), "./"+appName(i), "wait: true")
	}
	for i := range f.releases {
		f.create(f.manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", releaseName(i),
			"chart: {metadata: {labels: "+f.labels+"}, spec: {chart: chart, sourceRef: {kind: GitRepository, name: repo}}}\n"+
				"interval: 10m\nmaxHistory: 1000\ndriftDetection: {mode: enabled}"))
	}
}

// drift edits or deletes one object.
func (f *fleet) drift() {
	name := appName(rand.IntN(f.apps)) + "-stays"
	if rand.IntN(2) == 0 {
		name = releaseName(rand.IntN(f.releases)) + "-one"
	}
	if rand.IntN(3) == 0 {
		_ = f.Delete(f.t.Context(), harness.ConfigMaps, f.namespace, name) // there may be none yet
		return
	}
	change := map[string]any{"data": map[string]any{"key": "edited", "word": "edited"}}
	_, _ = f.Patch(f.t.Context(), harness.ConfigMaps, f.namespace, name, change) // there may be none yet
}

// converges waits until everything is ready at the present generation, for long at most.
func (f *fleet) converges(long time.Duration) {
	f.t.Helper()
	ends := time.Now().Add(long)
	for i := range f.apps {
		f.waitFor(time.Until(ends), harness.Kustomized, appName(i), func(obj *unstructured.Unstructured) bool {
			return harness.Ready(obj) && field(obj, "status", "lastAppliedRevision") == "main@sha1:"+f.commit
		})
	}
	for i := range f.releases {
		f.waitFor(time.Until(ends), api.HelmReleaseGVR, releaseName(i), releasedAt(strconv.Itoa(f.generation)+".0.0"))
	}
}

// exact fails the test if the objects are not those of the present generation, or if the
// inventories are not what there is.
func (f *fleet) exact() {
	f.t.Helper()
	value := strconv.Itoa(f.generation)
	for i := range f.apps {
		app := appName(i)
		f.waitFor(patience, harness.ConfigMaps, app+"-stays", data("key", value)) // an edit may have been the last
		equal(f.t, "inventory of "+app, []string{"NS_" + app + "-goes-" + value + "__ConfigMap", "NS_" + app + "-stays__ConfigMap", "NS_" + app + "__ServiceAccount"},
			f.inventory(f.get(harness.Kustomized, app)))
	}
	for i := range f.releases {
		for _, part := range []string{"-one", "-two"} {
			f.waitFor(patience, harness.ConfigMaps, releaseName(i)+part, data("word", "word-"+value))
		}
	}
	list, err := f.Dynamic.Resource(harness.ConfigMaps).Namespace(f.namespace).List(f.t.Context(), metav1.ListOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	var names []string
	for i := range list.Items {
		if name := list.Items[i].GetName(); name != "kube-root-ca.crt" {
			names = append(names, name)
		}
	}
	equal(f.t, "ConfigMaps", 2*f.apps+2*f.releases, len(names))
	f.revisions()
	f.deletions()
}

// revisions fails the test if a revision of a release is missing, was made twice, or ended
// badly, or if a hook ran twice for one.
func (f *fleet) revisions() {
	f.t.Helper()
	out := f.kubectl("get", "secrets", "-l", "owner=helm", "-o", `jsonpath={range .items[*]}{.metadata.labels.name} {.metadata.labels.version} {.metadata.labels.status}{"\n"}{end}`)
	states := map[string]map[int]string{}
	for line := range strings.Lines(out) {
		parts := strings.Fields(line)
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			f.t.Fatal(err)
		}
		if states[parts[0]] == nil {
			states[parts[0]] = map[int]string{}
		}
		states[parts[0]][n] = parts[2]
	}
	hooks := f.hooksCreated()
	for i := range f.releases {
		name := releaseName(i)
		all := states[name]
		numbers := slices.Sorted(maps.Keys(all))
		for j, n := range numbers {
			want := "superseded"
			if j == len(numbers)-1 {
				want = "deployed"
			}
			if n != j+1 || all[n] != want {
				f.t.Errorf("revisions of %s: %v", name, all)
				break
			}
		}
		if len(numbers) == 0 || len(numbers) > f.generation {
			f.t.Errorf("%s has %d revisions of %d charts", name, len(numbers), f.generation)
		}
		for _, hook := range []string{"-before", "-after"} {
			if n := hooks[name+hook]; n != len(numbers) {
				f.t.Errorf("the hook %s%s ran %d times for %d revisions", name, hook, n, len(numbers))
			}
		}
	}
}

// hooksCreated counts how often each hook came into being.
func (f *fleet) hooksCreated() map[string]int {
	f.t.Helper()
	return f.counted(func(e controlplane.AuditEvent) bool {
		return e.Request.Resource == "jobs" && e.Code == 201 && !e.DryRun
	})
}

// deletions fails the test if something was deleted that was to stay.
func (f *fleet) deletions() {
	f.t.Helper()
	for name, n := range f.counted(func(e controlplane.AuditEvent) bool {
		return e.Request.Verb == "delete" && e.Code == 200 && e.Request.Resource != "jobs"
	}) {
		if !strings.Contains(name, "-goes-") || strings.HasSuffix(name, "-goes-"+strconv.Itoa(f.generation)) || n > 1 {
			f.t.Errorf("%s was deleted %d times", name, n)
		}
	}
}

// counted counts the requests of the daemon that match, by the name of the object.
func (f *fleet) counted(match func(controlplane.AuditEvent) bool) map[string]int {
	f.t.Helper()
	all, err := f.AuditEvents(f.began, controlplane.FluxdUser)
	if err != nil {
		f.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, e := range all {
		if e.Namespace == f.namespace && match(e) {
			counts[e.Name]++
		}
	}
	return counts
}

// goes deletes everything while answers go wrong, which they do until the first app is gone,
// and fails the test if something is left.
func (f *fleet) goes(trouble *trouble) {
	f.t.Helper()
	f.gate.disturb(trouble)
	for i := range f.apps {
		f.delete(harness.Kustomized, appName(i))
	}
	for i := range f.releases {
		f.delete(api.HelmReleaseGVR, releaseName(i))
	}
	for i := range f.apps {
		f.waitFor(4*patience, harness.Kustomized, appName(i), harness.Gone)
		f.gate.disturb(nil)
	}
	for i := range f.releases {
		f.waitFor(4*patience, api.HelmReleaseGVR, releaseName(i), harness.Gone)
	}
	equal(f.t, "records that are left", []string(nil), f.records())
	out := f.kubectl("get", "configmaps,serviceaccounts", "-o", "name")
	equal(f.t, "objects that are left", []string{"configmap/kube-root-ca.crt", "serviceaccount/default"}, strings.Fields(out))
}
