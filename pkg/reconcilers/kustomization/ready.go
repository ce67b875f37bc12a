package kustomization

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
)

// readyExprs compiles the expressions of the dependencies.
func (p *pass) readyExprs() error {
	for i, d := range p.obj.Spec.DependsOn {
		if d.ReadyExpr == "" {
			continue
		}
		if _, err := p.judges.compiler.Strict(d.ReadyExpr, "dep", "self"); err != nil {
			return misconfigured(fmt.Errorf("spec.dependsOn[%d].readyExpr: failed to evaluate dependency %s: %w", i, d.Name, err))
		}
	}
	return nil
}

// askedReady asks the expression of a dependency whether that is ready.
func (p *pass) askedReady(ctx context.Context, d api.DependencyReference, dep *v1.Kustomization) error {
	program, err := p.judges.compiler.Strict(d.ReadyExpr, "dep", "self")
	if err != nil {
		return err
	}
	variables := make(map[string]any, 2)
	for name, obj := range map[string]*v1.Kustomization{"dep": dep, "self": p.obj} {
		if variables[name], err = runtime.DefaultUnstructuredConverter.ToUnstructured(obj); err != nil {
			return fmt.Errorf("failed to evaluate dependency %s: %w", d.Name, err)
		}
	}
	ready, err := program.True(ctx, variables)
	switch {
	case err != nil:
		return fmt.Errorf("failed to evaluate dependency %s: %w", d.Name, err)
	case !ready:
		return fmt.Errorf("dependency '%s/%s' is not ready according to readyExpr eval", dep.Namespace, dep.Name)
	}
	return nil
}
