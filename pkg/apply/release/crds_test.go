package release

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

const crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"

func crd(name, scope string) string {
	return "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: " + name + "\nspec:\n  scope: " + scope + "\n"
}

func TestCRDs(t *testing.T) {
	established := func(obj *unstructured.Unstructured) *unstructured.Unstructured {
		return complete("Established")(obj)
	}
	labels := map[string]string{"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "flux"}
	apply := func(w *world, p v2.CRDsPolicy) (Step, error) {
		return w.ApplyCRDs(t.Context(), w.target, CRDs{
			Manifests: []string{crd("a.example.com", "Cluster") + configMap("x", "1"), crd("b.example.com", "Cluster")},
			Policy:    p, Labels: labels,
		})
	}
	old := func(w *world) {
		_, err := w.ApplyCRDs(t.Context(), w.target, CRDs{Manifests: []string{crd("a.example.com", "Namespaced")}, Wait: WaitHooks})
		if err != nil {
			t.Fatal(err)
		}
		w.edit(crdPath+"a.example.com", func(obj *unstructured.Unstructured) *unstructured.Unstructured {
			obj.SetCreationTimestamp(metav1.NewTime(w.now.Add(-time.Hour)))
			return established(obj)
		})
		w.writes()
	}
	t.Run("they are created once, and waited for", func(t *testing.T) {
		w := newWorld(t)
		old(w)
		step := w.waits(apply(w, ""))("CustomResourceDefinition/b.example.com")
		w.equal("warnings", 1, len(step.Warnings))
		w.equal("what there was", "Namespaced", w.get(crdPath + "a.example.com").Object["spec"].(map[string]any)["scope"])
		w.equal("writes", []string{"PATCH customresourcedefinitions/b.example.com"}, w.writes())
		w.edit(crdPath+"b.example.com", established)
		w.done(apply(w, ""))
		w.equal("writes", []string(nil), w.writes())
		w.equal("labels", labels, w.get(crdPath+"b.example.com").GetLabels())
	})
	t.Run("they are replaced", func(t *testing.T) {
		w := newWorld(t)
		old(w)
		w.waits(apply(w, v2.CRDsCreateReplace))("CustomResourceDefinition/b.example.com")
		w.equal("what there was", "Cluster", w.get(crdPath + "a.example.com").Object["spec"].(map[string]any)["scope"])
		w.equal("writes", 2, len(w.writes()))
		w.restart()
		w.waits(apply(w, v2.CRDsCreateReplace))("CustomResourceDefinition/b.example.com")
		w.now = w.now.Add(time.Minute)
		if _, err := apply(w, v2.CRDsCreateReplace); err == nil || !strings.Contains(err.Error(), "timeout waiting for: [CustomResourceDefinition/b.example.com") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("they are left out", func(t *testing.T) {
		w := newWorld(t)
		w.done(apply(w, v2.CRDsSkip))
		w.equal("objects", []string(nil), w.paths())
	})
	t.Run("a policy that there is not", func(t *testing.T) {
		if _, err := apply(newWorld(t), "x"); err == nil {
			t.Error("no error")
		}
	})
}
