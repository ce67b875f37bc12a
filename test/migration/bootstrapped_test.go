package migration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/program"
)

// edge is the folder of the cluster in the repository.
const edge = "clusters/edge"

// A cluster that Flux has bootstrapped moves to fluxd by a bootstrap of its own, and back by
// taking the component out of Git. The definitions, the controllers that are at rest and all
// that was applied stay.
func TestMoveBootstrapped(t *testing.T) {
	f := newFleet(t)
	f.env = []string{"GIT_PASSWORD=a-token"}
	f.startStock(false)
	content := files{
		edge + "/apps.yaml": f.Manifest(kustomizeVersion, "Kustomization", "apps", "path: ./apps", "prune: true", "wait: true",
			"sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}") +
			f.Manifest(helmVersion, "HelmRelease", "web", "chart: {spec: {chart: ./charts/local, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}}"),
		"apps/config.yaml": configMap("config", "1"),
		"apps/app.yaml":    strings.Replace(fmt.Sprintf(deployment, "app"), "name: app,", "name: app, namespace: NS,", 1),
	}
	for name, text := range local("1.0.0").DirectoryOf("charts/local") {
		content[name] = text
	}
	f.commit(content)
	url := []string{"--url=" + gits.RepoURL(f.repo), "--branch=main", "--path=" + edge, "--allow-insecure-http"}
	f.run(f.cli, append([]string{"bootstrap", "git", "--token-auth", "--username=git", "--password=a-token", "--silent"}, url...)...)
	f.ready(api.KustomizationGVR, "apps")
	f.ready(api.HelmReleaseGVR, "web")

	before, root := f.state(), f.root()
	f.scale(stockItself, 0)
	f.stopStock()
	f.drains("helm-controller")
	mark, done := f.Mark(), make(chan string, 1)
	go func() {
		out, err := f.command(binary, append([]string{"bootstrap", "git", "--version=v1"}, url...)...)
		done <- fmt.Sprint(out, err)
	}()
	f.looksTwice(mark)
	f.drained("helm-controller")
	if err := f.deployed(fluxdItself, true); err != nil {
		t.Fatalf("%v\n%s", err, <-done)
	}
	f.startFluxd()
	world.Contains(t, "bootstrap", <-done, "waiting for the end of flux-system/helm-controller (", "bootstrap finished")
	f.follows("2")
	world.Equal(t, "definitions, namespace and controllers after the move to fluxd", root, f.root())
	f.kept(before)
	f.atRest(0)

	before = f.state()
	f.scale(fluxdItself, 0)
	f.stopFluxd()
	index, err := f.repo.Git(t.Context(), "show", "main:"+edge+"/flux-system/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(index, "components:\n- fluxd\n", "", 1)
	if without == index {
		t.Fatalf("there is no component of fluxd in\n%s", index)
	}
	f.commit(files{edge + "/flux-system/kustomization.yaml": without})
	f.scale(stockItself, 1)
	f.startStock(false)
	f.follows("3")
	failing(t, f.deployed(fluxdItself, false))
	world.Equal(t, "definitions, namespace and controllers after the move to Flux", root, f.root())
	f.kept(before)
	f.atRest(1)
}

var leases = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

// drains has a controller hold its Lease, as one does that was stopped and finishes what it
// is about.
func (f *fleet) drains(component string) {
	f.T.Helper()
	f.Create(fmt.Sprintf("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: %s-leader-election, namespace: %s}\n"+
		"spec: {holderIdentity: %s-5f_1, leaseDurationSeconds: 300, renewTime: %q}\n",
		component, system, component, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")))
}

// drained has it give the Lease back.
func (f *fleet) drained(component string) {
	f.T.Helper()
	released := map[string]any{"spec": map[string]any{"holderIdentity": ""}}
	if _, err := f.Cluster.Patch(f.T.Context(), leases, system, component+"-leader-election", released); err != nil {
		f.T.Fatal(err)
	}
}

// looksTwice waits until somebody has looked twice since a mark at who holds Leases.
func (f *fleet) looksTwice(mark controlplane.AuditMark) {
	f.T.Helper()
	ctx, cancel := f.within(long)
	defer cancel()
	if err := program.Poll(ctx, func(context.Context) error {
		looks := 0
		for _, e := range f.audit(mark, controlplane.AdminUser) {
			if e.Request.Resource == "leases" && e.Request.Verb == "list" {
				looks++
			}
		}
		if looks < 2 {
			return fmt.Errorf("%d looks at the Leases", looks)
		}
		return nil
	}); err != nil {
		f.T.Fatal(err)
	}
}

// root are the UIDs of what Flux itself is made of.
func (f *fleet) root() map[string]string {
	f.T.Helper()
	uids := map[string]string{}
	for _, gvr := range []schema.GroupVersionResource{
		{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}, harness.Namespaces, harness.Deployments,
		{Version: "v1", Resource: "serviceaccounts"},
	} {
		for _, obj := range f.list(gvr) {
			labels := obj.GetLabels()
			if labels["app.kubernetes.io/part-of"] == "flux" && obj.GetName() != fluxdItself {
				uids[obj.GetKind()+"/"+obj.GetName()] = string(obj.GetUID())
			}
		}
	}
	return uids
}

// deployed waits until a Deployment is there, or not.
func (f *fleet) deployed(name string, is bool) error {
	ctx, cancel := f.within(long)
	defer cancel()
	_, err := f.Cluster.Wait(ctx, harness.Deployments, system, name, func(obj *object) bool { return (obj != nil) == is })
	return err
}

// follows commits a value, and waits until the cluster has it.
func (f *fleet) follows(value string) {
	f.T.Helper()
	f.commit(files{"apps/config.yaml": configMap("config", value)})
	if _, err := f.Cluster.Kubectl(f.T.Context(), "-n", system, "annotate", "--overwrite", "gitrepository/flux-system", api.AnnotationReconcileRequest+"="+value); err != nil {
		f.T.Fatal(err)
	}
	f.WaitFor(long, harness.ConfigMaps, "config", harness.Field(value, "data", "key"))
	f.ready(api.HelmReleaseGVR, "web")
}

// kept fails the test if anything but the ConfigMap of [fleet.follows] is not as it was.
func (f *fleet) kept(before state) {
	f.T.Helper()
	now := f.state()
	f.untouched(before, now, "Deployment/NS/app", "Deployment/NS/web", "ConfigMap/NS/web-config", "Secret/NS/sh.helm.release.v1.web.v1")
	delete(before.objects, "ConfigMap/NS/config")
	delete(now.objects, "ConfigMap/NS/config")
	world.Equal(f.T, "objects", before.objects, now.objects)
}

// atRest fails the test if the controllers of Flux have not so many replicas.
func (f *fleet) atRest(replicas int64) {
	f.T.Helper()
	for _, name := range harness.StockControllers {
		obj, err := f.Cluster.Get(f.T.Context(), harness.Deployments, system, name)
		if err != nil {
			f.T.Fatal(err)
		}
		got, _, _ := unstructured.NestedInt64(obj.Object, "spec", "replicas")
		world.Equal(f.T, "replicas of "+name, replicas, got)
	}
}
