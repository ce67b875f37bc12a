package kustomization

import "github.com/fluxd/fluxd/pkg/reconcilers/consumer"

// misconfigured stalls the object on an expression that only an edit can mend.
func misconfigured(err error) error { return consumer.Misconfigured(err) }

// expressions compiles the expressions of the spec.
func (p *pass) expressions() error {
	rules, err := p.judges.Of(p.owner(), p.obj.Spec.HealthCheckExprs)
	if err != nil {
		return misconfigured(err)
	}
	p.rules = rules
	return nil
}
