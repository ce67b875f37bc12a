package consumer

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/expr"
)

// With the lockdown of a cluster with tenants, an expression learns of an object of
// another namespace whether it is ready, and not what it is made of.
func TestConfinedExpressions(t *testing.T) {
	const jewel = "cr0wn-jewel"
	dep := &v1.Kustomization{}
	dep.Namespace, dep.Name, dep.Labels = "theirs", "app", map[string]string{"version": "1"}
	dep.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": jewel}
	dep.Spec.PostBuild = &v1.PostBuild{Substitute: map[string]string{"word": jewel}}
	dep.Status.ObservedGeneration = 1
	for name, test := range map[string]struct {
		namespace, expr string
		confined        bool
		says            string // in the error; none says that it is ready
	}{
		"a value, confined":                 {"mine", "{'x': true}[dep.spec.postBuild.substitute.word]", true, "no such key: spec"},
		"a guess, confined":                 {"mine", "dep.spec.postBuild.substitute.word.startsWith('cr')", true, "no such key: spec"},
		"whether there is a spec, confined": {"mine", "has(dep.spec)", true, "is not ready according to readyExpr"},
		"a copy of the spec, confined":      {"mine", "dep.metadata.annotations.exists(k, k != '')", true, "no such key: annotations"},
		"what tells readiness, confined":    {"mine", "dep.metadata.labels['version'] == '1' && dep.status.observedGeneration == 1", true, ""},
		"a value of its own namespace":      {"theirs", "dep.spec.postBuild.substitute.word.startsWith('cr')", true, ""},
		"a value, not confined":             {"mine", "dep.spec.postBuild.substitute.word.startsWith('cr')", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			self := &v1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: test.namespace, Name: "self"}}
			d := api.DependencyReference{Namespace: "theirs", Name: "app", ReadyExpr: test.expr}
			err := Readiness{Confined: test.confined}.Ready(t.Context(), expr.New(), d, self, dep)
			switch {
			case test.says == "" && err != nil, test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Errorf("got %v, want %q", err, test.says)
			case err != nil && strings.Contains(err.Error(), jewel):
				t.Errorf("the error tells what only its owner may see: %v", err)
			}
			if dep.Spec.PostBuild == nil || dep.Annotations == nil {
				t.Error("the object itself was changed")
			}
		})
	}
}
