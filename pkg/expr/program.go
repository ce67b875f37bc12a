package expr

import (
	"context"
	"fmt"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// Limits of one evaluation. The cost is that of Kubernetes for one expression.
const (
	costMost   = 1_000_000
	checkEvery = 100 // rounds of a loop
	longestRun = time.Second
)

// Program is an expression that can be evaluated.
type Program struct {
	text    string
	program cel.Program
}

// True evaluates the expression over variables by name, whose values are those of
// decoded JSON. Anything but a boolean is an error, as is a field that is missing.
func (p *Program) True(ctx context.Context, variables map[string]any) (yes bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("failed to evaluate the CEL expression '%s': panic: %v", p.text, r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, longestRun)
	defer cancel()
	value, _, err := p.program.ContextEval(ctx, variables)
	if err != nil {
		return false, fmt.Errorf("failed to evaluate the CEL expression '%s': %w", p.text, err)
	}
	answer, ok := value.(types.Bool)
	if !ok {
		return false, fmt.Errorf("failed to evaluate CEL expression as boolean: '%s'", p.text)
	}
	return bool(answer), nil
}

// limits are the options by which an evaluation ends in time.
func limits(env *cel.Env) []cel.ProgramOption {
	return []cel.ProgramOption{
		cel.EvalOptions(cel.OptOptimize), cel.InterruptCheckFrequency(checkEvery),
		cel.CostLimit(costMost), cel.CustomDecoratorV2(guards(env)),
	}
}
