package release

import (
	"strings"
	"testing"

	helm "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func clientSide(in *Install) { in.Method, in.Wait = ClientSide, WaitHooks }

func deployment(image string, lines ...string) string {
	return doc("Deployment", "d", append([]string{"spec:", "  template:", "    spec:", "      containers:",
		"      - name: app", "        image: " + image}, lines...)...)
}

// Objects that the client merges keep what others have added, lose what the chart has
// no more, and are patched only where they differ.
func TestClientSide(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(deployment("one", "        command: [x]")+doc("Widget", "w", "spec:", "  a: 1", "  b: 1")+configMap("a", "x"),
		hookOf("h", 0, "", helm.HookPreUpgrade)), clientSide))
	rev, _ := w.target.read(t.Context(), 1)
	w.equal("method", ClientSide, rev.method)
	w.equal("writes", 3, len(writesOf(w, "POST deployments", "POST widgets", "POST configmaps")))
	w.edit(appsV1+"deployments/d", func(obj *unstructured.Unstructured) *unstructured.Unstructured {
		list, _, _ := unstructured.NestedSlice(obj.Object, "spec", "template", "spec", "containers")
		list = append(list, map[string]any{"name": "sidecar", "image": "s"})
		return setField(list, "spec", "template", "spec", "containers")(obj)
	})
	w.edit("/apis/example.com/v1/namespaces/apps/widgets/w", setField("theirs", "spec", "c"))
	w.made = w.finish("")
	step := w.done(w.upgrade(rendered(deployment("two")+doc("Widget", "w", "spec:", "  a: 2")+configMap("a", "x"),
		hookOf("h", 0, "", helm.HookPreUpgrade)), func(up *Upgrade) { up.Method, up.Wait = MethodOf("", rev.method), WaitHooks }))
	w.equal("method", ClientSide, step.Observed[1].Method)
	w.equal("writes", []string{"POST jobs/h", "PATCH deployments/d", "PATCH widgets/w"}, writesOf(w, "POST", "PATCH deploy", "PATCH widgets", "PATCH config"))
	containers, _, _ := unstructured.NestedSlice(w.get(appsV1+"deployments/d").Object, "spec", "template", "spec", "containers")
	w.equal("containers", []any{map[string]any{"name": "app", "image": "two"}, map[string]any{"name": "sidecar", "image": "s"}}, containers)
	w.equal("widget", map[string]any{"a": int64(2), "c": "theirs"}, w.get("/apis/example.com/v1/namespaces/apps/widgets/w").Object["spec"])
	w.done(w.Uninstall(t.Context(), w.target, Uninstall{Options: options("9")}))
}

// writesOf returns the writes that begin with one of the prefixes, without Secrets.
func writesOf(w *world, prefixes ...string) []string {
	var all []string
	for _, one := range w.writes() {
		for _, p := range prefixes {
			if strings.HasPrefix(one, p) && !strings.Contains(one, "secrets/") {
				all = append(all, one)
				break
			}
		}
	}
	return all
}

func TestClientSideForce(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x")), clientSide))
	w.edit(coreV1+"configmaps/a", setField("theirs", "data", "other"))
	w.writes()
	w.done(w.upgrade(rendered(configMap("a", "z")), func(up *Upgrade) { up.Method, up.Force = ClientSide, true }))
	w.equal("writes", []string{"PUT configmaps/a"}, writesOf(w, "PUT c", "PATCH c", "POST"))
	w.equal("data", map[string]any{"key": "z"}, w.get(coreV1 + "configmaps/a").Object["data"])
}

// Drift is set back by patches, too.
func TestClientSideDrift(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x")), clientSide))
	w.edit(coreV1+"configmaps/a", setField("y", "data", "key"))
	drifts, err := w.Drift(t.Context(), w.target, Watch{Version: 1})
	w.equal("drift", []string{"ConfigMap/apps/a changed (0 additions, 1 changes, 0 removals)"}, lines(drifts))
	if err != nil {
		t.Fatal(err)
	}
	w.writes()
	if _, err := w.Correct(t.Context(), w.target, Watch{Version: 1}); err != nil {
		t.Fatal(err)
	}
	w.equal("writes", []string{"PATCH configmaps/a"}, w.writes())
	w.equal("data", map[string]any{"key": "x"}, w.get(coreV1 + "configmaps/a").Object["data"])
}

// Whose object it is is asked before anything is stored.
func TestOwnership(t *testing.T) {
	theirs := "exists and cannot be imported into the current release: invalid ownership metadata; " +
		`label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm"`
	foreign := func(w *world) {
		w.mu.Lock()
		defer w.mu.Unlock()
		obj := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}, "data": map[string]any{"key": "theirs"},
		}}
		w.put(coreV1+"configmaps/a", nil, obj, false)
	}
	for name, method := range map[string]Method{"server": ServerSide, "client": ClientSide} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			foreign(w)
			change := func(in *Install) { in.Method, in.TakeOwnership = method, false }
			_, err := w.install(rendered(configMap("a", "x")), change)
			if err == nil || !strings.HasPrefix(err.Error(), `unable to continue with install: ConfigMap "a" in namespace "apps" `+theirs) {
				t.Errorf("install: %v", err)
			}
			w.equal("history", []string(nil), w.history())
			w.done(w.install(rendered(configMap("b", "x")), change))
			_, err = w.upgrade(rendered(configMap("a", "x")+configMap("b", "x")), func(up *Upgrade) { up.Method, up.TakeOwnership = method, false })
			if err == nil || !strings.Contains(err.Error(), "unable to continue with update: ") {
				t.Errorf("upgrade: %v", err)
			}
			w.done(w.upgrade(rendered(configMap("a", "x")+configMap("b", "x")), func(up *Upgrade) { up.Method = method }))
			w.equal("data", map[string]any{"key": "x"}, w.get(coreV1 + "configmaps/a").Object["data"])
		})
	}
}

func TestResourcePolicy(t *testing.T) {
	keep := doc("ConfigMap", "k", "  annotations:", "    helm.sh/resource-policy: keep", "data: {}")
	keep = strings.Replace(keep, "data: {}", "data:\n  key: x", 1)
	w := newWorld(t)
	w.done(w.install(rendered(keep + configMap("a", "x"))))
	w.done(w.upgrade(rendered(configMap("a", "x"))))
	w.equal("objects", []string{"configmaps/a", "configmaps/k"}, w.paths())
	w.done(w.upgrade(rendered(keep+configMap("a", "x")), func(up *Upgrade) { up.Attempt = "3" }))
	w.done(w.Uninstall(t.Context(), w.target, Uninstall{Options: options("4")}))
	w.equal("objects", []string{"configmaps/k"}, w.paths())
}
