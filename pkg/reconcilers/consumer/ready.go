package consumer

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/expr"
)

// CheckReady compiles the expressions of dependencies. Its error stalls the object.
func CheckReady(c *expr.Compiler, dependencies []api.DependencyReference) error {
	for i, d := range dependencies {
		if d.ReadyExpr == "" {
			continue
		}
		if _, err := c.Strict(d.ReadyExpr, "dep", "self"); err != nil {
			return Misconfigured(fmt.Errorf("spec.dependsOn[%d].readyExpr: failed to evaluate dependency %s: %w", i, d.Name, err))
		}
	}
	return nil
}

// Readiness says how dependencies are judged.
type Readiness struct {
	// Additive has a dependency with an expression be ready in the usual sense as well.
	Additive bool
	// Confined shows expressions of one namespace nothing of the spec of an object in
	// another, nor of its annotations, where tools keep copies of it: what an expression
	// makes of a value can be learned from how it ends. The labels, the generation and
	// the status say whether the object is ready.
	Confined bool
}

// Ready says whether a dependency is ready: by its expression if it has one, and by its
// condition for its present generation if it has none, or if the two are to be additive.
// An error says that it is not, and why.
func (r Readiness) Ready(ctx context.Context, c *expr.Compiler, d api.DependencyReference, self, dep api.Object) error {
	if d.ReadyExpr != "" {
		if err := r.ask(ctx, c, d, self, dep); err != nil || !r.Additive {
			return err
		}
	}
	if dep.GetGeneration() != dep.GetObservedGeneration() || !conditions.IsTrue(dep.GetConditions(), api.ConditionReady) {
		return fmt.Errorf("dependency '%s/%s' is not ready", dep.GetNamespace(), dep.GetName())
	}
	return nil
}

// ask asks the expression of a dependency whether that is ready.
func (r Readiness) ask(ctx context.Context, c *expr.Compiler, d api.DependencyReference, self, dep api.Object) error {
	program, err := c.Strict(d.ReadyExpr, "dep", "self")
	if err != nil {
		return err
	}
	variables := make(map[string]any, 2)
	for name, obj := range map[string]api.Object{"dep": dep, "self": self} {
		if variables[name], err = runtime.DefaultUnstructuredConverter.ToUnstructured(obj); err != nil {
			return fmt.Errorf("failed to evaluate dependency %s: %w", d.Name, err)
		}
	}
	if r.Confined && self.GetNamespace() != dep.GetNamespace() {
		confine(variables["dep"].(map[string]any))
	}
	ready, err := program.True(ctx, variables)
	switch {
	case err != nil:
		return fmt.Errorf("failed to evaluate dependency %s: %w", d.Name, err)
	case !ready:
		return fmt.Errorf("dependency '%s/%s' is not ready according to readyExpr eval", dep.GetNamespace(), dep.GetName())
	}
	return nil
}

// confine takes off an object what those of other namespaces are not shown.
func confine(obj map[string]any) {
	delete(obj, "spec")
	unstructured.RemoveNestedField(obj, "metadata", "annotations")
}
