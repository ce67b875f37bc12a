package apply

import (
	"encoding/json"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestTakes(t *testing.T) {
	tk := newTakeover("kustomize-controller", []string{"argocd"}, false)
	tests := map[string]struct {
		manager, operation, subresource string
		want                            bool
	}{
		"kubectl apply":              {"kubectl-client-side-apply", "Update", "", true},
		"kubectl server-side apply":  {"kubectl", "Apply", "", true},
		"kubectl edit":               {"kubectl-edit", "Update", "", true},
		"before first apply":         {"before-first-apply", "Update", "", true},
		"ourselves, by update":       {"kustomize-controller", "Update", "", true},
		"ourselves":                  {"kustomize-controller", "Apply", "", false},
		"an overridden manager":      {"argocd-controller", "Apply", "", true},
		"a status":                   {"kubectl-edit", "Update", "status", false},
		"a tolerated kubectl":        {"flux-client-side-apply", "Update", "", false},
		"another controller":         {"helm-controller", "Apply", "", false},
		"before first apply, Apply?": {"before-first-apply", "Apply", "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			equal(t, test.want, tk.takes(map[string]any{
				"manager": test.manager, "operation": test.operation, "subresource": test.subresource,
			}))
		})
	}
}

func TestUnionFields(t *testing.T) {
	tests := map[string]struct{ a, b, want string }{
		"apart":             {`{"f:a":{}}`, `{"f:b":{}}`, `{"f:a":{},"f:b":{}}`},
		"the same":          {`{"f:a":{"f:x":{}}}`, `{"f:a":{"f:x":{}}}`, `{"f:a":{"f:x":{}}}`},
		"nested":            {`{"f:a":{"f:x":{}}}`, `{"f:a":{"f:y":{}}}`, `{"f:a":{"f:x":{},"f:y":{}}}`},
		"a whole and parts": {`{"f:a":{}}`, `{"f:a":{"f:y":{}}}`, `{"f:a":{".":{},"f:y":{}}}`},
		"parts and a whole": {`{"f:a":{"f:y":{}}}`, `{"f:a":{}}`, `{"f:a":{".":{},"f:y":{}}}`},
		"items":             {`{"f:l":{"k:{\"name\":\"a\"}":{".":{},"f:x":{}}}}`, `{"f:l":{"k:{\"name\":\"a\"}":{"f:y":{}}}}`, `{"f:l":{"k:{\"name\":\"a\"}":{".":{},"f:x":{},"f:y":{}}}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var a, b, want map[string]any
			if err := errors.Join(json.Unmarshal([]byte(test.a), &a), json.Unmarshal([]byte(test.b), &b),
				json.Unmarshal([]byte(test.want), &want)); err != nil {
				t.Fatal(err)
			}
			equal(t, want, unionFields(a, b))
		})
	}
}

func TestTakeoverPatch(t *testing.T) {
	live := parse(t, `
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  resourceVersion: "7"
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
  managedFields:
  - {manager: kubectl-client-side-apply, operation: Update, apiVersion: v1, fieldsV1: {"f:data": {"f:b": {}}}}
  - {manager: kustomize-controller, operation: Apply, apiVersion: v1, fieldsV1: {"f:data": {"f:a": {}}}}
  - {manager: other, operation: Update, apiVersion: v1, fieldsV1: {"f:data": {"f:c": {}}}}
`)
	before := live.DeepCopy()
	patch, err := newTakeover("kustomize-controller", nil, false).patch(live, nil, "v1")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, before.Object, live.Object)
	var got []any
	if err := json.Unmarshal(patch, &got); err != nil {
		t.Fatal(err)
	}
	equal(t, []any{
		map[string]any{"op": "remove", "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"},
		map[string]any{"op": "replace", "path": "/metadata/managedFields", "value": []any{
			map[string]any{"manager": "other", "operation": "Update", "apiVersion": "v1", "fieldsV1": map[string]any{"f:data": map[string]any{"f:c": map[string]any{}}}},
			map[string]any{"manager": "kustomize-controller", "operation": "Apply", "apiVersion": "v1", "fieldsV1": map[string]any{
				"f:data": map[string]any{"f:a": map[string]any{}, "f:b": map[string]any{}},
			}},
		}},
		map[string]any{"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
	}, got)
}

func TestTakeoverWithoutAnEntryOfOursRenamesTheFirst(t *testing.T) {
	merged, changed := newTakeover("us", nil, false).merge([]any{
		map[string]any{"manager": "kubectl-create", "operation": "Update", "apiVersion": "v1", "fieldsV1": map[string]any{"f:a": map[string]any{}}},
		map[string]any{"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsV1": map[string]any{"f:b": map[string]any{}}},
	}, "v1")
	equal(t, true, changed)
	equal(t, []any{map[string]any{
		"manager": "us", "operation": "Apply", "apiVersion": "v1",
		"fieldsV1": map[string]any{"f:a": map[string]any{}, "f:b": map[string]any{}},
	}}, merged)
}

func TestTakeoverOfNothing(t *testing.T) {
	live := parse(t, deployment)
	tk := newTakeover("kustomize-controller", nil, false)
	patch, err := tk.patch(live, nil, "apps/v1")
	if err != nil || patch != nil {
		t.Errorf("got %s, %v", patch, err)
	}
	equal(t, false, tk.needed(live))
}

func TestTakeoverOfClearedFields(t *testing.T) {
	live := configMap("a", "1")
	live.SetResourceVersion("7")
	dry := []any{
		map[string]any{"manager": "before-first-apply", "operation": "Update", "apiVersion": "v1", "fieldsV1": map[string]any{"f:b": map[string]any{}}},
		map[string]any{"manager": "us", "operation": "Apply", "apiVersion": "v1", "fieldsV1": map[string]any{"f:a": map[string]any{}}},
	}
	patch, err := newTakeover("us", nil, false).patch(live, dry, "v1")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, `[{"op":"replace","path":"/metadata/managedFields","value":[{"apiVersion":"v1","fieldsV1":{"f:a":{},"f:b":{}},"manager":"us","operation":"Apply"}]},`+
		`{"op":"replace","path":"/metadata/resourceVersion","value":"7"}]`, string(patch))
}

func TestMigrateAPIVersion(t *testing.T) {
	live := parse(t, deployment)
	tk := newTakeover("kustomize-controller", nil, true)
	equal(t, false, tk.needed(live))
	field(live, "metadata", "managedFields").([]any)[1].(map[string]any)["apiVersion"] = "apps/v1beta1"
	equal(t, true, tk.needed(live))
	merged, changed := tk.merge(field(live, "metadata", "managedFields").([]any), "apps/v1")
	equal(t, true, changed)
	for _, e := range merged {
		equal(t, any("apps/v1"), e.(map[string]any)["apiVersion"])
	}
	equal(t, "apps/v1beta1", text(&unstructured.Unstructured{Object: field(live, "metadata", "managedFields").([]any)[1].(map[string]any)}, "apiVersion"))
}
