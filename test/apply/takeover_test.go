package apply

import (
	"strings"
	"testing"
)

func TestTakeoverFromKubectl(t *testing.T) {
	const before = `
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS, labels: {stray: x}}
data: {key: "0", stray: x}
`
	const want = `
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS}
data: {key: "1"}
`
	for name, args := range map[string][]string{
		"client side": {"apply", "-f", "-"},
		"server side": {"apply", "--server-side", "-f", "-"},
		"create":      {"create", "-f", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			out, err := plane.KubectlInput(t.Context(), strings.ReplaceAll(before, "NS", w.namespace), args...)
			if err != nil {
				t.Fatal(err, out)
			}
			asked := w.counted(func() { equal(t, []string{"ConfigMap/NS/config configured"}, w.apply(want)) })
			equal(t, map[string]int{"configmaps patch": 3, "configmaps get": 1}, asked)
			equal(t, `{"key":"1"}`, w.jsonpath("{.data}", "configmap/config"))
			equal(t, "", w.jsonpath("{.metadata.annotations}", "configmap/config"))
			equal(t, "", w.jsonpath("{.metadata.labels.stray}", "configmap/config"))
			equal(t, "kustomize-controller/Apply", w.jsonpath("{range .metadata.managedFields[*]}{.manager}/{.operation}{end}", "configmap/config", "--show-managed-fields"))
			equal(t, map[string]int{}, w.counted(func() { equal(t, []string(nil), w.apply(want)) }))
			w.quiet()
		})
	}
}

// What the stock controller left has to be taken over without a write.
func TestTakeoverFromFlux(t *testing.T) {
	w := newWorld(t)
	labelled := strings.ReplaceAll(strings.ReplaceAll(four, "namespace: NS}", "namespace: NS, labels: {kustomize.toolkit.fluxcd.io/name: app, kustomize.toolkit.fluxcd.io/namespace: NS}}"),
		"stringData: {password: hunter2}", "data: {password: aHVudGVyMg==}")
	labelled = strings.ReplaceAll(labelled, "      hostNetwork: false\n", "") // its types drop it
	out, err := plane.KubectlInput(t.Context(), strings.ReplaceAll(labelled, "NS", w.namespace),
		"apply", "--server-side", "--field-manager=kustomize-controller", "-f", "-")
	if err != nil {
		t.Fatal(err, out)
	}
	asked := w.counted(func() { equal(t, []string(nil), w.apply(four)) })
	equal(t, map[string]int{"configmaps patch": 1, "secrets patch": 1, "services patch": 1, "apps/deployments patch": 1}, asked)
	w.quiet()
}

func TestRemovalsFromGitAreRemovals(t *testing.T) {
	w := newWorld(t)
	w.apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS, labels: {a: b}}
data: {key: "1", extra: x}
`)
	w.apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS}
data: {key: "1"}
`)
	equal(t, `{"key":"1"}`, w.jsonpath("{.data}", "configmap/config"))
	equal(t, "", w.jsonpath("{.metadata.labels.a}", "configmap/config"))
}
