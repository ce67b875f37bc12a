package migration

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

const (
	// stockItself and fluxdItself are the Deployments in the commands of docs/migration.md.
	stockItself = "-l app.kubernetes.io/part-of=flux,app.kubernetes.io/component!=fluxd"
	fluxdItself = "fluxd"
)

// A cluster that Flux was installed on moves to fluxd, and back, by the commands of the
// page. Each time nothing is written but what the archives of sources are, and then a
// commit rolls out.
func TestMoveAndBack(t *testing.T) {
	f := newFleet(t)
	f.startStock(false)
	f.populate()
	f.bringUp()
	f.settled(f.stock, stockUser)

	out, err := f.command(binary, "check", "--pre")
	if err == nil {
		t.Errorf("check --pre is content while Flux runs:\n%s", out)
	}
	world.Contains(t, "check --pre", out, "other controllers look after this cluster", "helm-controller")
	out, err = f.command(binary, "install", "--version=v1")
	if err == nil {
		t.Errorf("fluxd was installed while Flux runs:\n%s", out)
	}
	world.Contains(t, "install", out, "other controllers look after this cluster", "scale deployment "+stockItself+" --replicas=0")

	// To fluxd.
	before := f.state()
	f.scale(stockItself, 0)
	f.stopStock()
	f.run(binary, "install", "--version=v1")
	mark := f.Mark()
	f.startFluxd()
	f.settled(f.daemon, controlplane.FluxdUser)
	now := f.state()
	f.same("after the move to fluxd", before.without(failed()...), now.without(failed()...))
	f.same("after the move to fluxd, where something had failed", before.steady(), now.steady())
	f.failing()
	status, others := f.writes(mark, controlplane.FluxdUser)
	world.Equal(t, "writes of fluxd to anything but status", map[string]int{}, others)
	world.Equal(t, "objects of Flux whose status fluxd wrote more than once", map[string]int{}, twice(status))
	t.Logf("status writes of fluxd: %v", status)
	f.rollOut(2)
	world.Contains(t, "check", f.run(binary, "check"), "all checks passed")
	world.Contains(t, "the check of Flux", f.run(f.cli, "check"), "all checks passed")

	// And back. A source that fluxd has seen first lacks the finalizer of Flux.
	f.Create(f.Manifest(sourceVersion, "GitRepository", "made", "url: "+gits.RepoURL(f.repo), "ref: {branch: main}"))
	f.ready(harness.Sources, "made")
	f.settled(f.daemon, controlplane.FluxdUser)
	before = f.state()
	f.scale(fluxdItself, 0)
	f.stopFluxd()
	f.scale(stockItself, 1)
	mark = f.Mark()
	f.startStock(false)
	f.WaitFor(long, harness.Sources, "made", func(obj *object) bool { return len(obj.GetFinalizers()) == 1 })
	f.settled(f.stock, stockUser)
	now = f.state()
	f.same("after the move to Flux", before.without("GitRepository/made").steady(), now.without("GitRepository/made").steady())
	status, others = f.writes(mark, stockUser)
	world.Equal(t, "writes of Flux to anything but status", map[string]int{"source.toolkit.fluxcd.io/gitrepositories patch made": 1}, others)
	t.Logf("status writes of Flux: %v", status)
	f.rollOut(3)
}

// bringUp waits until everything is ready, has each object reconciled once on request, and
// suspends those that should be.
func (f *fleet) bringUp() {
	f.T.Helper()
	for kind, names := range flux {
		for _, name := range names {
			f.ready(resources[kind].Name, f.Expand(name))
		}
	}
	for _, name := range []string{"failed", "back"} {
		f.ready(api.HelmReleaseGVR, name)
		f.Patch(api.HelmReleaseGVR, name, map[string]any{"spec": map[string]any{"values": map[string]any{"word": name, "stuck": true}}})
	}
	f.failing()
	for kind, name := range suspended {
		f.ready(resources[kind].Name, name)
		f.Patch(resources[kind].Name, name, map[string]any{"spec": map[string]any{"suspend": true}})
	}
	for _, asked := range [][2]string{{"GitRepository", "fleet"}, {"Kustomization", "infra"}, {"HelmRelease", "listed"}, {"HelmChart", "stored"}} {
		f.WaitFor(long, resources[asked[0]].Name, asked[1], harness.Field(f.Request(resources[asked[0]].Name, asked[1]), "status", "lastHandledReconcileAt"))
		f.ready(resources[asked[0]].Name, asked[1])
	}
}

// failing waits until what should fail has done so.
func (f *fleet) failing() {
	f.T.Helper()
	for kind, names := range failures {
		for name, reason := range names {
			f.WaitFor(long, resources[kind].Name, name, harness.Failed(reason))
		}
	}
}

// newest returns a field of an object's newest revision.
func newest(obj *unstructured.Unstructured, field string) any {
	history, _, _ := unstructured.NestedSlice(obj.Object, "status", "history")
	if len(history) == 0 {
		return nil
	}
	return history[0].(map[string]any)[field]
}

// revisionOf says whether a HelmRelease is ready at a revision of its release.
func revisionOf(n int64) world.Is {
	return func(obj *unstructured.Unstructured) bool {
		return harness.Ready(obj) && newest(obj, "version") == n && newest(obj, "status") == "deployed"
	}
}

// dropped are the files that go with a roll-out, and the objects with them.
var dropped = map[int][2]string{2: {"apps/old.yaml", "old"}, 3: {"apps/words.yaml", "words"}}

// rollOut changes everything that the fleet is made from, and waits until the cluster
// follows: by the n-th revision of each release, and by nothing beside what changed.
func (f *fleet) rollOut(n int) {
	f.T.Helper()
	before := f.state()
	value, version := fmt.Sprint(n), fmt.Sprintf("1.%d.0", n)
	change := files{"infra/settings.yaml": configMap("settings", value), dropped[n][0]: ""}
	index, err := f.repo.Git(f.T.Context(), "show", "main:apps/kustomization.yaml")
	if err != nil {
		f.T.Fatal(err)
	}
	change["apps/kustomization.yaml"] = strings.Replace(index, strings.TrimPrefix(dropped[n][0], "apps/")+", ", "", 1)
	maps.Copy(change, local(version).DirectoryOf("charts/local"))
	f.publish("1.0.0", version)
	f.pushManifests(value)
	f.put(files{"manifests/config.yaml": configMap("from-bucket", value)})
	f.put(named("stored", version).DirectoryOf("charts/stored"))
	commit := f.commit(change)
	for _, kind := range []string{"GitRepository", "OCIRepository", "HelmRepository", "Bucket", "HelmChart"} {
		for _, name := range flux[kind] {
			f.WaitFor(long, resources[kind].Name, f.Expand(name), harness.Field(f.Request(resources[kind].Name, f.Expand(name)), "status", "lastHandledReconcileAt"))
		}
	}
	for _, name := range []string{"infra", "apps", "late"} {
		f.WaitFor(long, api.KustomizationGVR, name, world.All(harness.Ready, harness.Field(commit, "status", "lastAppliedRevision")))
	}
	for _, name := range []string{"settings", "from-oci", "from-bucket"} {
		f.WaitFor(long, harness.ConfigMaps, name, harness.Field(value, "data", "key"))
	}
	f.WaitFor(long, harness.ConfigMaps, dropped[n][1], harness.Gone)
	for _, name := range flux["HelmRelease"] {
		f.WaitFor(long, api.HelmReleaseGVR, name, revisionOf(int64(n)))
	}
	f.untouched(before, f.state(), "ConfigMap/NS/very-late", "ConfigMap/NS/paused", "ConfigMap/NS/shared", "ServiceAccount/NS/infra",
		"Service/NS/web", "Deployment/NS/web", "Widget/NS/web", "Deployment/NS/local", "Deployment/NS/other-name")
}

// untouched fails the test if any of these objects is not as it was.
func (f *fleet) untouched(before, now state, names ...string) {
	f.T.Helper()
	for _, name := range names {
		if before.objects[name] == "" {
			f.T.Errorf("there was no %s", name)
		}
		world.Equal(f.T, name+" after a commit that does not concern it", before.objects[name], now.objects[name])
	}
}
