package bootstrap

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/install"
)

// Patches for Deployments of Flux controllers that are not there are found, however they
// name them.
func TestMissing(t *testing.T) {
	there := &unstructured.Unstructured{Object: map[string]any{"kind": "Deployment", "metadata": map[string]any{"name": "source-controller"}}}
	const strategic = "|\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: helm-controller, namespace: flux-system}\n"
	for name, tt := range map[string]struct {
		patches string
		missing []string
	}{
		"none":                            {"[]", nil},
		"for fluxd":                       {"\n- target: {kind: Deployment, name: fluxd}\n  patch: '[]'", nil},
		"for one that is there":           {"\n- target: {kind: Deployment, name: source-controller}\n  patch: '[]'", nil},
		"by the label":                    {"\n- target: {kind: Deployment, labelSelector: app.kubernetes.io/part-of=flux}\n  patch: '[]'", nil},
		"for another kind":                {"\n- target: {kind: ServiceAccount, name: kustomize-controller}\n  patch: '[]'", nil},
		"by name":                         {"\n- target: {kind: Deployment, name: kustomize-controller}\n  patch: '[]'", []string{"kustomize-controller"}},
		"by names, of which one is there": {"\n- target: {kind: Deployment, name: (kustomize-controller|source-controller)}\n  patch: '[]'", nil},
		"by names": {"\n- target: {kind: Deployment, name: (kustomize-controller|helm-controller)}\n  patch: '[]'",
			[]string{"(kustomize-controller|helm-controller)"}},
		"of kinds that are not served": {"\n- target: {kind: Deployment, name: notification-controller}\n  patch: '[]'", nil},
		"by itself":                    {"\n- patch: " + strategic, []string{"helm-controller"}},
		"without a kind":               {"\n- target: {name: kustomize-.*}\n  patch: '[]'", []string{"kustomize-.*"}},
	} {
		err := missing([]byte("kind: Kustomization\npatches: "+tt.patches+"\n"), install.Objects{there})
		if (err != nil) != (tt.missing != nil) || err != nil && !strings.Contains(err.Error(), "do nothing: "+strings.Join(tt.missing, ", ")+";") {
			t.Errorf("%s: error %v, want one about %v", name, err, tt.missing)
		}
	}
}
