package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/expr"
	"github.com/fluxd/fluxd/pkg/fault"
)

// MostChecks is how many entries spec.healthCheckExprs may have.
const MostChecks = 128

// longestReason is how much of an error is kept as the reason of a health, in bytes.
const longestReason = 1 << 10

// Judges hold what the owners' expressions make of health, in the form T. It stays the
// same value as long as the expressions do, or every object would be read again. They
// are safe for concurrent use.
type Judges[T any] struct {
	// Compiler is that of the expressions.
	Compiler *expr.Compiler
	form     func(map[schema.GroupKind]apply.Rule) T

	mu    sync.Mutex // guards rules
	rules map[apply.Owner]judged[T]
}

type judged[T any] struct {
	checks []api.CustomHealthCheck
	rules  T
}

// NewJudges returns judges whose rules have the given form.
func NewJudges[T any](form func(map[schema.GroupKind]apply.Rule) T) *Judges[T] {
	return &Judges[T]{Compiler: expr.New(), form: form, rules: make(map[apply.Owner]judged[T])}
}

// Of returns what checks make for an owner; without any that is the zero value. Its
// error names the field.
func (j *Judges[T]) Of(owner apply.Owner, checks []api.CustomHealthCheck) (T, error) {
	var none T
	j.mu.Lock()
	old := j.rules[owner]
	j.mu.Unlock()
	if slices.Equal(old.checks, checks) {
		return old.rules, nil
	}
	rules, err := j.compile(checks)
	if err != nil {
		return none, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(checks) == 0 {
		delete(j.rules, owner)
		return none, nil
	}
	made := judged[T]{slices.Clone(checks), j.form(rules)}
	j.rules[owner] = made
	return made.rules, nil
}

// Forget drops what is kept for an owner.
func (j *Judges[T]) Forget(owner apply.Owner) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.rules, owner)
}

func (j *Judges[T]) compile(checks []api.CustomHealthCheck) (map[schema.GroupKind]apply.Rule, error) {
	if len(checks) > MostChecks {
		return nil, fmt.Errorf("spec.healthCheckExprs: %d entries are more than %d", len(checks), MostChecks)
	}
	rules := make(map[schema.GroupKind]apply.Rule, len(checks))
	for i, check := range checks {
		at := fmt.Sprintf("spec.healthCheckExprs[%d]", i)
		gk := schema.FromAPIVersionAndKind(check.APIVersion, check.Kind).GroupKind()
		if _, twice := rules[gk]; twice {
			return nil, fmt.Errorf("%s: duplicate custom health check for GroupKind %s", at, gk)
		}
		if check.Current == "" {
			return nil, fmt.Errorf("%s.current: expression Current not specified", at)
		}
		for _, q := range questions(check.HealthCheckExpressions) {
			if _, err := j.Compiler.Loose(q.text); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", at, q.field, err)
			}
		}
		rules[gk] = j.rule(check.HealthCheckExpressions)
	}
	return rules, nil
}

// question is one expression and what its truth means.
type question struct {
	field, text string
	means       status.Status
}

// questions returns the expressions in the order in which they are asked.
func questions(e api.HealthCheckExpressions) []question {
	all := []question{
		{"inProgress", e.InProgress, status.InProgressStatus},
		{"failed", e.Failed, status.FailedStatus},
		{"current", e.Current, status.CurrentStatus},
	}
	return slices.DeleteFunc(all, func(q question) bool { return q.text == "" })
}

// rule judges by the expressions. It holds their text, not their programs, so that
// the compiler's limit is the one limit of what is kept.
func (j *Judges[T]) rule(e api.HealthCheckExpressions) apply.Rule {
	asked := questions(e)
	return func(obj map[string]any) (status.Status, string, error) {
		if lags(obj) {
			return status.InProgressStatus, "", nil
		}
		for _, q := range asked {
			yes, err := j.ask(q.text, obj)
			switch {
			case err != nil:
				return "", "", reason(obj, err)
			case yes:
				return q.means, "", nil
			}
		}
		return status.InProgressStatus, "", nil
	}
}

func (j *Judges[T]) ask(text string, obj map[string]any) (bool, error) {
	p, err := j.Compiler.Loose(text)
	if err != nil {
		return false, err
	}
	return p.True(context.Background(), obj)
}

// reason returns an error as it may be told: not too long, and without what a Secret
// holds, which errors of conversion quote.
func reason(obj map[string]any, err error) error {
	if obj["kind"] == "Secret" {
		return errors.New("failed to evaluate a CEL expression on a Secret")
	}
	if text := err.Error(); len(text) > longestReason {
		return errors.New(text[:longestReason] + "...")
	}
	return err
}

// lags says that the controller of obj has yet to see its latest generation. What is
// not a number says nothing.
func lags(obj map[string]any) bool {
	observed, ok, err := unstructured.NestedInt64(obj, "status", "observedGeneration")
	if err != nil || !ok {
		return false
	}
	generation, ok, err := unstructured.NestedInt64(obj, "metadata", "generation")
	return err == nil && ok && observed != generation
}

// Misconfigured stalls an object on an expression that only an edit can mend.
func Misconfigured(err error) error {
	//lint:ignore ST1005 the text is what people and tools know
	return fault.Stalled(api.ReasonInvalidCELExpression, fmt.Errorf("Reconciliation failed terminally due to configuration error: %w", err))
}
