package clients

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/suite"
	"github.com/fluxd/fluxd/test/harness/world"
)

// The command line takes fluxd off a cluster, while the daemon runs and has work to do.
// What it applied stays, and nothing hangs.
func TestUninstall(t *testing.T) {
	needFlux(t)
	ctx := t.Context()
	plane, err := controlplane.Start(ctx, controlplane.Options{Users: []controlplane.User{account}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	}()
	c, err := harness.Use(ctx, plane)
	if err == nil {
		err = install(ctx, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := plane.KubeconfigFor(account.Name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := harness.Start(shared.Binary, credentials, shared.Flags...)
	if err == nil {
		err = d.Ready(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := makeWorld(t, c, files{
		"app/config.yaml": configMap("config", "1"), "app/web.yaml": deployment("web"),
		"chart/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n", "chart/templates/config.yaml": configMap("{{ .Release.Name }}", "1"),
	})
	w.git("repo")
	w.kustomization("app", "repo", "./app", "wait: true")
	w.kustomization("rest", "repo", "./app", "suspend: true")
	w.push("latest", files{"config.yaml": configMap("other", "1")})
	w.Create(w.Manifest(sourceVersion, "OCIRepository", "oci", "url: "+w.url(""), "insecure: true"))
	w.Create(w.Manifest(sourceVersion, "HelmRepository", "charts", "url: "+charts.URL))
	w.Create(w.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "release", "chart: {spec: {chart: web, sourceRef: {kind: HelmRepository, name: charts}}}"))
	w.Create(w.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "busy", "chart: {spec: {chart: chart, sourceRef: {kind: GitRepository, name: repo}}}"))
	w.Wait(kustomizations, "app", ready)
	w.Wait(api.HelmReleaseGVR, "release", harness.Ready)
	w.Wait(api.HelmReleaseGVR, "busy", harness.Ready)
	w.migrate()
	before := w.Get(harness.ConfigMaps, "config")

	says(t, w.flux("uninstall", "--dry-run", "--namespace="+namespace), "✔ Deployment/"+namespace+"/fluxd deleted (dry run)", "✔ uninstall finished")
	says(t, w.refused("uninstall", "--namespace="+namespace), "Flux is managed by fluxd", "aborting")

	// An upgrade is in the middle of a hook that does not end, and a commit is being applied.
	w.commit(files{"chart/Chart.yaml": "apiVersion: v2\nname: app\nversion: 2.0.0\n", "chart/templates/hook.yaml": harness.EndlessHook})
	w.Request(harness.Sources, "repo")
	w.Wait(harness.Jobs, "endless", func(obj *unstructured.Unstructured) bool { return obj != nil })
	w.commit(files{"app/config.yaml": configMap("config", "2")})
	w.Request(harness.Sources, "repo")
	out := w.flux("uninstall", "--silent", "--namespace="+namespace)
	says(t, out, "► deleting components in "+namespace+" namespace", "✔ Deployment/"+namespace+"/fluxd deleted",
		"► deleting toolkit.fluxcd.io finalizers in all namespaces", "✔ Kustomization/"+w.Namespace+"/app finalizers deleted", "✔ HelmRelease/"+w.Namespace+"/release finalizers deleted",
		"► deleting toolkit.fluxcd.io custom resource definitions", "✔ CustomResourceDefinition/kustomizations.kustomize.toolkit.fluxcd.io deleted",
		"✔ Namespace/"+namespace+" deleted", "✔ uninstall finished")
	lacks(t, out, "✗")
	gone, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := c.Wait(gone, harness.Namespaces, "", namespace, harness.Gone); err != nil {
		t.Error(err)
	}
	if left, err := c.Kubectl(gone, "get", "crd,clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/part-of=flux", "-o", "name"); err != nil || left != "" {
		t.Errorf("what is left of the installation: %s %v", left, err)
	}
	after := w.Get(harness.ConfigMaps, "config")
	if after == nil || after.GetDeletionTimestamp() != nil || after.GetUID() != before.GetUID() {
		t.Errorf("what was applied went: %v", after)
	}
	if w.Get(harness.Deployments, "web") == nil || w.Get(harness.ConfigMaps, "release") == nil || w.Get(harness.ConfigMaps, "busy") == nil || w.Get(world.Secrets, "sh.helm.release.v1.release.v1") == nil {
		t.Error("something that was applied or released went")
	}

	// The process, which has neither rights nor kinds any more, ends when it is told to.
	if err := suite.End(d); err != nil {
		t.Error(err)
	}
	// The namespaces of users are not held up by what fluxd has left in them.
	if err := c.Dynamic.Resource(harness.Namespaces).Delete(ctx, w.Namespace, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(gone, harness.Namespaces, "", w.Namespace, harness.Gone); err != nil {
		t.Error(err)
	}
}

// migrate has the command line bring everything to the newest versions, at which it is:
// nothing is reconciled for that. It needs a cluster on which nothing is deleted meanwhile.
func (w clients) migrate() {
	w.T.Helper()
	before := w.Get(kustomizations, "app")
	out := w.flux("migrate")
	says(w.T, out, "✔ Kustomization/"+w.Namespace+"/app migrated to version v1", "✔ custom resources migrated successfully")
	says(w.T, out, "✔ HelmRelease/"+w.Namespace+"/release migrated to version v2")
	lacks(w.T, out, "✗")
	after := w.Get(kustomizations, "app")
	world.Equal(w.T, "status", before.Object["status"], after.Object["status"])
	world.Equal(w.T, "generation", before.GetGeneration(), after.GetGeneration())
}
