package e2e

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// fault is something wrong with a Kustomization or with what it is to apply, and
// its remedy. Its objects are to have the ConfigMap config in the end.
type fault struct {
	name    string
	content files  // beside good/, which is fine
	path    string // ./app if empty
	spec    string
	reason  string
	message []string
	stalled bool
	mend    func(w *world)
}

// fine is content without a fault.
var fine = files{"app/config.yaml": configMap("config", "1")}

// with returns content and more.
func (f files) with(more files) files {
	all := maps.Clone(f)
	maps.Copy(all, more)
	return all
}

// commits returns the remedy that is a commit.
func commits(content files) func(*world) { return func(w *world) { w.commit(content) } }

// edits returns the remedy that is an edit of the spec.
func edits(fields map[string]any) func(*world) {
	return func(w *world) { w.patch(harness.Kustomized, "bad", spec(fields)) }
}

var faults = []fault{
	{
		name: "path that does not exist", path: "./missing",
		reason: "ArtifactFailed", message: []string{"kustomization path not found", "./missing"},
		mend: commits(files{"missing/config.yaml": configMap("config", "1")}),
	}, {
		name: "path that is a file", content: fine, path: "./app/config.yaml",
		reason: "ArtifactFailed", message: []string{"kustomization path not found", "./app/config.yaml is not a directory"},
		mend: edits(map[string]any{"path": "./app"}),
	}, {
		name: "path beyond the root stays inside", content: fine, path: "./../../etc",
		reason: "ArtifactFailed", message: []string{"kustomization path not found", "./../../etc"},
		mend: commits(files{"etc/config.yaml": configMap("config", "1")}),
	}, {
		name: "malformed YAML", content: fine.with(files{"app/broken.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [x\n"}),
		reason: "BuildFailed", message: []string{"broken.yaml"},
		mend: commits(files{"app/broken.yaml": ""}),
	}, {
		name: "not an object", content: fine.with(files{"app/kustomization.yaml": "resources: [config.yaml, list.yaml]\n", "app/list.yaml": "kind: ConfigMap\nmetadata: {name: x}\n"}),
		reason: "BuildFailed", message: []string{"apiVersion, kind and name"},
		mend: commits(files{"app/kustomization.yaml": "resources: [config.yaml]\n"}),
	}, {
		name: "kustomization that names a missing file", content: files{"app/kustomization.yaml": "resources: [gone.yaml]\n"},
		reason: "BuildFailed", message: []string{"gone.yaml"},
		mend: commits(files{"app/gone.yaml": configMap("config", "1")}),
	}, {
		name: "base outside of the tree", content: fine.with(files{"app/kustomization.yaml": "resources: [../../../etc]\n"}),
		reason: "BuildFailed", message: []string{"../../../etc"},
		mend: commits(files{"app/kustomization.yaml": "resources: [config.yaml]\n"}),
	}, {
		name: "symbolic link out of the tree", content: fine.with(files{"app/kustomization.yaml": "resources: [config.yaml, hosts.yaml]\n", "app/hosts.yaml@": "/etc/hosts"}),
		reason: "BuildFailed", message: []string{"hosts.yaml"},
		mend: commits(files{"app/kustomization.yaml": "resources: [config.yaml]\n"}),
	}, {
		name: "remote base that cannot be reached", content: fine.with(files{"app/kustomization.yaml": "resources: [\"http://127.0.0.1:1/base.yaml\"]\n"}),
		reason: "BuildFailed", message: []string{"http://127.0.0.1:1/base.yaml"},
		mend: commits(files{"app/kustomization.yaml": "resources: [config.yaml]\n"}),
	}, {
		name: "object twice", content: fine.with(files{"app/kustomization.yaml": "resources: [config.yaml, b.yaml]\n", "app/b.yaml": configMap("config", "2")}),
		reason: "BuildFailed", message: []string{"config"},
		mend: commits(files{"app/kustomization.yaml": "resources: [config.yaml]\n"}),
	}, {
		name: "unknown kind", content: fine.with(files{"app/x.yaml": "apiVersion: example.org/v1\nkind: Unknown\nmetadata: {name: x, namespace: NS}\n"}),
		reason: "ReconciliationFailed", message: []string{"Unknown/NS/x", "no matches for kind"},
		mend: commits(files{"app/x.yaml": ""}),
	}, {
		name: "field of the wrong type among good objects", content: fine.with(files{"app/bad.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: NS}\nspec: {ports: [{port: eighty}]}\n"}),
		reason: "ReconciliationFailed", message: []string{"Service/NS/bad", "ports"},
		mend: commits(files{"app/bad.yaml": ""}),
	}, {
		name: "value that is not allowed among good objects", content: fine.with(files{"app/bad.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: NS}\nspec: {ports: [{port: 99999}]}\n"}),
		reason: "ReconciliationFailed", message: []string{"Service/NS/bad", "spec.ports[0].port"},
		mend: commits(files{"app/bad.yaml": ""}),
	}, {
		name: "namespace that does not exist", content: fine.with(files{"app/far.yaml": strings.Replace(configMap("far", "1"), "namespace: NS", "namespace: NS-far", 1)}),
		reason: "ReconciliationFailed", message: []string{"ConfigMap/NS-far/far", "NS-far", "not found"},
		mend: func(w *world) { w.create("apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-far}") }, spec: "retryInterval: 1s",
	}, {
		name: "interval that overflows", content: fine, spec: "interval: 9999999999999h",
		stalled: true, reason: "InvalidSpec", message: []string{"spec.interval", "9999999999999h"},
		mend: edits(map[string]any{"interval": "10m"}),
	}, {
		name: "timeout that overflows", content: fine, spec: "timeout: 9999999999999h",
		stalled: true, reason: "InvalidSpec", message: []string{"spec.timeout", "9999999999999h"},
		mend: edits(map[string]any{"timeout": nil}),
	}, {
		name: "missing source", content: fine, spec: "sourceRef: {kind: GitRepository, name: nothing}",
		reason: "ArtifactFailed", message: []string{"GitRepository", "/nothing' not found"},
		mend: func(w *world) { w.source("nothing") },
	},
}

// A fault is told on the object's own condition, and nothing of it is applied.
// Nothing else suffers: another object of the same commit is applied, before and
// after. Without the fault all goes on by itself.
func TestManifestFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld(t, files{"good/config.yaml": configMap("good", "1")}.with(f.content))
			if f.path == "" {
				f.path = "./app"
			}
			w.source("repo")
			w.kustomization("bad", f.path, f.spec)
			w.kustomization("good", "./good")
			w.ready("good")
			is := harness.Failed(f.reason)
			if f.stalled {
				is = stalled(f.reason)
			}
			bad := w.wait(harness.Kustomized, "bad", is)
			_, message := condition(bad, "Ready")
			for _, part := range f.message {
				contains(t, "message", message, w.expand(part))
			}
			if w.get(harness.ConfigMaps, "config") != nil {
				t.Error("a part was applied")
			}
			w.commit(files{"good/config.yaml": configMap("good", "2")})
			w.request(harness.Sources, "repo")
			w.wait(harness.ConfigMaps, "good", data("key", "2"))
			w.wait(harness.Kustomized, "bad", is)

			f.mend(w)
			w.request(harness.Sources, "repo")
			w.ready("bad")
			w.wait(harness.ConfigMaps, "config", data("key", "1"))
		})
	}
}

// A symbolic link that leads out of the tree is left out, and that is told.
func TestLinksOutOfTheTree(t *testing.T) {
	w := newWorld(t, fine.with(files{"app/a.yaml@": "../../../../etc/hosts", "app/link@": "/etc"}))
	w.source("repo")
	w.kustomization("app", "./app")
	w.events("GitRepository/repo Normal NewArtifact source-controller", "app/a.yaml", "app/link")
	equal(t, "inventory", []string{"NS_config__ConfigMap"}, w.inventory(w.ready("app")))
}

const onlyGoodValues = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NS}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  validations: [{expression: "!has(object.data) || !('key' in object.data) || object.data.key != 'forbidden'", message: "this value is not allowed here"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NS}
spec: {policyName: NS, validationActions: [Deny]}
`

// One object that an admission policy rejects keeps the others of its
// Kustomization as they were, and is named.
func TestAdmissionRejectsOneOfMany(t *testing.T) {
	w := newWorld(t, files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1")})
	w.create(onlyGoodValues)
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	w.policyWorks()
	w.commit(files{"app/a.yaml": configMap("a", "2"), "app/b.yaml": configMap("b", "forbidden"), "app/c.yaml": configMap("c", "2")})
	w.request(harness.Sources, "repo")
	app := w.wait(harness.Kustomized, "app", harness.Failed("ReconciliationFailed"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "ConfigMap/"+w.namespace+"/b", "this value is not allowed here")
	if !data("key", "1")(w.get(harness.ConfigMaps, "a")) || w.get(harness.ConfigMaps, "c") != nil {
		t.Error("objects beside the rejected one were written")
	}
	commit := w.commit(files{"app/b.yaml": configMap("b", "2")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	for _, name := range []string{"a", "b", "c"} {
		w.wait(harness.ConfigMaps, name, data("key", "2"))
	}
}

// policyWorks waits until the API server heeds the policy, which it does some time
// after it has been made.
func (w *world) policyWorks() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	probe := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "probe"}, "data": map[string]any{"key": "forbidden"},
	}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := w.Dynamic.Resource(harness.ConfigMaps).Namespace(w.namespace).Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil && ctx.Err() == nil {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatal("the API server does not heed the policy")
		case <-tick.C:
		}
	}
}
