package clients

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// source is a kind of source as the command line knows it.
type source struct {
	noun string // after flux get source
	gvr  schema.GroupVersionResource
	kind string
	// create are the arguments that make one, and upload what it needs.
	create func(w clients) []string
	upload func(w clients)
	// change makes news. Nil if there can be none.
	change func(w clients)
	// message is Ready's, with REVISION for the revision as it is shown.
	message string
	created string // what flux says of one that it has made
}

var sources = []source{
	{
		noun: "git", gvr: api.GitRepositoryGVR, kind: "GitRepository",
		create:  func(w clients) []string { return []string{"--url=" + gits.RepoURL(w.repo), "--branch=main"} },
		change:  func(w clients) { w.commit(files{"config.yaml": configMap("config", "2")}) },
		message: "stored artifact for revision 'REVISION'", created: "GitRepository source reconciliation completed",
	},
	{
		noun: "oci", gvr: api.OCIRepositoryGVR, kind: "OCIRepository",
		upload:  func(w clients) { w.push("latest", files{"config.yaml": configMap("config", "1")}) },
		create:  func(w clients) []string { return []string{"--url=" + w.url(""), "--tag=latest", "--insecure"} },
		change:  func(w clients) { w.push("latest", files{"config.yaml": configMap("config", "2")}) },
		message: "stored artifact for digest 'REVISION'", created: "OCIRepository reconciliation completed",
	},
	{
		noun: "bucket", gvr: api.BucketGVR, kind: "Bucket",
		upload: func(w clients) { w.bucket(files{"config.yaml": configMap("config", "1")}) },
		create: func(w clients) []string {
			return []string{"--bucket-name=" + w.Namespace, "--endpoint=" + s3.Host(), "--insecure", "--secret-ref=keys"}
		},
		change: func(w clients) {
			if err := s3.Put(w.T.Context(), w.Namespace, "more.yaml", []byte(w.Expand(configMap("more", "1")))); err != nil {
				w.T.Fatal(err)
			}
		},
		message: "stored artifact: revision 'REVISION'", created: "Bucket source reconciliation completed",
	},
	{
		noun: "helm", gvr: api.HelmRepositoryGVR, kind: "HelmRepository",
		create:  func(w clients) []string { return []string{"--url=" + charts.URL} },
		message: "stored artifact: revision 'REVISION'", created: "HelmRepository source reconciliation completed",
	},
	{
		noun: "chart", gvr: api.HelmChartGVR, kind: "HelmChart",
		upload: func(w clients) {
			w.Create(w.Manifest(sourceVersion, "HelmRepository", "charts", "url: "+charts.URL))
		},
		create: func(w clients) []string {
			return []string{"--source=HelmRepository/charts", "--chart=web", "--chart-version=1.x"}
		},
		message: "pulled 'web' chart with version 'REVISION'", created: "HelmChart source reconciliation completed",
	},
}

// Every kind of source is made, shown, reconciled, suspended, resumed, exported and
// deleted.
func TestSources(t *testing.T) {
	needFlux(t)
	for _, s := range sources {
		t.Run(s.noun, func(t *testing.T) { s.test(t) })
	}
}

func (s source) test(t *testing.T) {
	w := newWorld(t, files{"config.yaml": configMap("config", "1")})
	if s.upload != nil {
		s.upload(w)
	}
	create := append([]string{"create", "source", s.noun, "web", "--interval=10m", "--label=team=edge"}, s.create(w)...)
	exported := w.flux(append(create, "--export")...)
	if obj := w.Get(s.gvr, "web"); obj != nil {
		t.Fatalf("--export has created %s", obj.GetName())
	}
	_, manifest, _ := strings.Cut(exported, "---\n")
	if out, err := w.Cluster.KubectlInput(t.Context(), manifest, "apply", "--server-side", "-f", "-"); err != nil {
		t.Fatal(err, out)
	}
	committed := w.Wait(s.gvr, "web", harness.Ready) // whose status would change while it is written to
	out := w.flux(create...)
	obj := w.Get(s.gvr, "web")
	world.Equal(t, "spec", committed.Object["spec"], obj.Object["spec"])
	revision := world.Revision(obj)
	says(t, out, "✔ "+s.created, "✔ fetched revision: "+revision)
	exported = w.flux("export", "source", s.noun, "web")
	says(t, exported, "kind: "+s.kind, "labels:", "team: edge", "name: web", "namespace: "+w.Namespace, "spec:", "interval: 10m0s")
	lacks(t, exported, "status:", "managedFields", "finalizers", "annotations")
	says(t, w.flux("export", "source", s.noun, "--all"), exported)

	line := row(t, w.flux("get", "source", s.noun), "web")
	world.Equal(t, "row", []string{"web", short(revision), "False", "True", strings.ReplaceAll(s.message, "REVISION", short(revision))}, line)
	says(t, w.flux("get", "source", s.noun, "-l", "team=edge", "--status-selector", "ready=true", "--no-header"), "web")
	lacks(t, w.flux("get", "source", s.noun, "--status-selector", "ready=false"), "True")
	says(t, w.refused("get", "source", s.noun, "none"), "object 'none' not found in \""+w.Namespace+"\" namespace")

	table := w.watch("get", "source", s.noun, "--watch")
	table.until("web", short(revision), "True")
	if s.change != nil {
		s.change(w)
	}
	began := time.Now()
	out = w.flux("reconcile", "source", s.noun, "web")
	t.Logf("flux reconcile source %s: %s", s.noun, time.Since(began))
	obj = w.Get(s.gvr, "web")
	says(t, out, fmt.Sprintf("► annotating %s web in %s namespace", s.kind, w.Namespace), "✔ fetched revision "+world.Revision(obj))
	if s.change != nil && world.Revision(obj) == revision {
		t.Errorf("the revision is still %s", revision)
	}
	if s.change != nil {
		table.until("web", short(world.Revision(obj)), "True")
	}
	if s.noun == "chart" {
		says(t, w.flux("reconcile", "source", "chart", "web", "--with-source"), "✔ HelmRepository annotated", "✔ HelmChart annotated", "✔ fetched revision 1.1.0")
	}

	says(t, w.flux("suspend", "source", s.noun, "web"), "✔ source "+s.noun+" suspended")
	before := w.Get(s.gvr, "web")
	says(t, w.refused("reconcile", "source", s.noun, "web"), "✗ resource is suspended")
	world.Equal(t, "suspended, as shown", "True", row(t, w.flux("get", "source", s.noun), "web")[2])
	world.Equal(t, "status while suspended", statusOf(before), statusOf(w.Get(s.gvr, "web")))
	says(t, w.flux("resume", "source", s.noun, "web"), "✔ source "+s.noun+" resumed", "✔ "+s.kind+" web reconciliation completed", "✔ fetched revision "+world.Revision(obj))
	resumed := w.Get(s.gvr, "web")
	if suspended, _, _ := unstructured.NestedBool(resumed.Object, "spec", "suspend"); suspended || !harness.Ready(resumed) {
		t.Errorf("it is not ready again: %v", resumed.Object)
	}

	says(t, w.flux("events", "--for", s.kind+"/web"), s.kind+"/web")
	says(t, w.flux("delete", "source", s.noun, "web", "--silent"), "✔ source "+s.noun+" deleted")
	w.Wait(s.gvr, "web", harness.Gone)
}

// A source that cannot be read is said to be so, by create, by reconcile and by get.
func TestSourceFails(t *testing.T) {
	w := newFluxWorld(t, nil)
	ctx := t.Context()
	out, err := w.try(ctx, "create", "source", "git", "repo", "--url=http://127.0.0.1:1/none", "--branch=main", "--interval=10m", "--timeout=5s")
	if err == nil {
		t.Errorf("it did not fail: %s", out)
	}
	says(t, w.flux("get", "source", "git"), "repo", "False", "False", "connection refused")
	says(t, w.flux("events", "--types", "Warning"), "Warning", "GitOperationFailed", "GitRepository/repo")
	says(t, w.flux("stats"), "GitRepository")
	world.Equal(t, "statistics", []string{"GitRepository", "1", "1", "0", "-"}, row(t, w.flux("stats"), "GitRepository"))
}

// Where only an edit can help, nobody is kept waiting for the deadline.
func TestReconcileStalled(t *testing.T) {
	w := newFluxWorld(t, nil)
	w.Create(w.Manifest(sourceVersion, "HelmRepository", "charts", "url: "+charts.URL))
	w.Create(w.Manifest(sourceVersion, "HelmChart", "web", "chart: web", "version: 9.x", "sourceRef: {kind: HelmRepository, name: charts}"))
	w.Wait(api.HelmChartGVR, "web", world.Has("Stalled", "True/InvalidChartReference"))
	out := w.refused("reconcile", "source", "chart", "web")
	says(t, out, "✔ HelmChart annotated", "✗ ", "9.x")
	lacks(t, out, "deadline")
	w.Patch(api.HelmChartGVR, "web", map[string]any{"spec": map[string]any{"version": "1.x"}})
	w.Wait(api.HelmChartGVR, "web", ready)
	says(t, w.flux("reconcile", "source", "chart", "web"), "✔ fetched revision 1.1.0")
}

// A HelmRepository of charts in a registry is nothing that is reconciled.
func TestHelmRepositoryOfRegistry(t *testing.T) {
	w := newFluxWorld(t, nil)
	says(t, w.flux("create", "source", "helm", "web", "--url="+w.url("/charts"), "--interval=10m"), "✔ HelmRepository source reconciliation completed")
	obj := w.Get(api.HelmRepositoryGVR, "web")
	if status, _ := obj.Object["status"].(map[string]any); len(status) > 0 {
		t.Errorf("it has a status: %v", status)
	}
	world.Equal(t, "row", []string{"web", "", "False", "True", "Helm repository is Ready"}, row(t, w.flux("get", "source", "helm"), "web"))
	says(t, w.flux("reconcile", "source", "helm", "web"), "✔ reconciliation not supported by the object")
	says(t, w.flux("suspend", "source", "helm", "web"), "✔ source helm suspended")
	says(t, w.flux("resume", "source", "helm", "web"), "✔ source helm resumed")
}

// Artifacts of others are shown.
func TestExternalArtifact(t *testing.T) {
	w := newFluxWorld(t, nil)
	w.Create("apiVersion: " + sourceVersion + "\nkind: ExternalArtifact\nmetadata: {name: web, namespace: NS}\n" +
		"spec: {sourceRef: {apiVersion: example.com/v1, kind: Maker, name: maker, namespace: NS}}\n")
	digest := "sha256:" + strings.Repeat("0", 64)
	w.Kubectl("patch", "externalartifact", "web", "--subresource=status", "--type=merge", "-p", `{"status":{
		"conditions":[{"type":"Ready","status":"True","reason":"Succeeded","message":"made","lastTransitionTime":"2024-01-01T00:00:00Z"}],
		"artifact":{"revision":"latest@`+digest+`","digest":"`+digest+`","url":"http://127.0.0.1:1/web.tar.gz","path":"web.tar.gz","lastUpdateTime":"2024-01-01T00:00:00Z"}}}`)
	world.Equal(t, "row", []string{"web", "latest@sha256:00000000", "Maker/" + w.Namespace + "/maker", "True", "made"}, row(t, w.flux("get", "source", "external"), "web"))
	says(t, w.flux("export", "source", "external", "web"), "kind: ExternalArtifact", "name: web", "sourceRef:")
}
