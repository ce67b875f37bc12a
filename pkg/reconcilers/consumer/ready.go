package consumer

import (
	"context"
	"fmt"

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

// Ready says whether a dependency is ready: by its expression if it has one, and by its
// condition for its present generation if it has none, or if the two are to be additive.
// An error says that it is not, and why.
func Ready(ctx context.Context, c *expr.Compiler, d api.DependencyReference, self, dep api.Object, additive bool) error {
	if d.ReadyExpr != "" {
		if err := ask(ctx, c, d, self, dep); err != nil || !additive {
			return err
		}
	}
	if dep.GetGeneration() != dep.GetObservedGeneration() || !conditions.IsTrue(dep.GetConditions(), api.ConditionReady) {
		return fmt.Errorf("dependency '%s/%s' is not ready", dep.GetNamespace(), dep.GetName())
	}
	return nil
}

// ask asks the expression of a dependency whether that is ready.
func ask(ctx context.Context, c *expr.Compiler, d api.DependencyReference, self, dep api.Object) error {
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
	ready, err := program.True(ctx, variables)
	switch {
	case err != nil:
		return fmt.Errorf("failed to evaluate dependency %s: %w", d.Name, err)
	case !ready:
		return fmt.Errorf("dependency '%s/%s' is not ready according to readyExpr eval", dep.GetNamespace(), dep.GetName())
	}
	return nil
}
