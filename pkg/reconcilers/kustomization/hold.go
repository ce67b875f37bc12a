package kustomization

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/fault"
)

// Reasons of objects that are not deleted for now.
const (
	reasonInvalidBudget = "InvalidPruneBudget"
	reasonPruneHeld     = "PruneBudgetExceeded"
	reasonPruneSelf     = "PruneSelfRefused"
)

// mostNamed is how many objects a message names.
const mostNamed = 10

// budget returns how many objects one revision may delete: what the object says, or
// else the flag.
func (p *pass) budget() (apply.Budget, error) {
	text, own := p.obj.Annotations[api.AnnotationPruneBudget]
	if !own {
		return p.options.PruneBudget, nil
	}
	b, err := apply.ParseBudget(text)
	if err != nil {
		return b, fault.Stalled(reasonInvalidBudget, fmt.Errorf("metadata.annotations[%s]: %w", api.AnnotationPruneBudget, err))
	}
	return b, nil
}

// verdict is what is to become of stale objects.
type verdict struct {
	doomed, held apply.Inventory
	// reason and why tell of those that are held.
	reason string
	why    error
}

// sentence decides about the stale objects of plan. What is held stays in the
// inventory, so that it is decided about again by every pass.
func (p *pass) sentence(ctx context.Context, plan *apply.Plan) (verdict, error) {
	v := verdict{doomed: plan.Stale}
	if !p.mayPruneSelf() {
		v.doomed, v.held = p.options.self().spare(plan.Stale)
	}
	if len(v.held) > 0 {
		doomed, err := p.applier.Doomed(ctx, p.owner(), v.held)
		if err != nil {
			return v, err
		}
		if len(doomed) == 0 { // somebody else's by now, or gone
			v.doomed, v.held = plan.Stale, nil
		} else {
			v.reason, v.why = reasonPruneSelf, fmt.Errorf("%s is part of fluxd or keeps its objects, and is not deleted unless the annotation %s is %q",
				names(doomed), api.AnnotationPruneSelf, api.ValueEnabled)
		}
	}
	budget, err := p.budget()
	if err != nil {
		return v, err
	}
	if !budget.Limited() || p.obj.Annotations[api.AnnotationApprovePrune] == p.revision {
		return v, nil
	}
	doomed, err := p.applier.Doomed(ctx, p.owner(), v.doomed)
	if err != nil {
		return v, err
	}
	total := len(plan.Inventory.Union(plan.Stale))
	if budget.Allows(len(doomed), total) {
		return v, nil
	}
	why := fmt.Errorf("revision %s deletes %d of %d objects, which is more than the budget of %s: %s; to let it, set the annotation %s: %s",
		p.revision, len(doomed), total, budget, names(doomed), api.AnnotationApprovePrune, p.revision)
	return verdict{held: plan.Stale, reason: reasonPruneHeld, why: errors.Join(why, v.why)}, nil
}

// names returns the subjects of entries as far as a message has room.
func names(entries apply.Inventory) string {
	var subjects []string
	for _, e := range entries[:min(len(entries), mostNamed)] {
		subjects = append(subjects, e.String())
	}
	text := strings.Join(subjects, ", ")
	if more := len(entries) - mostNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (p *pass) mayPruneSelf() bool {
	return strings.EqualFold(p.obj.Annotations[api.AnnotationPruneSelf], api.ValueEnabled)
}

// self is what fluxd consists of: it runs in a namespace, under names that begin with
// its own, and its objects are of kinds that it has defined.
type self struct{ namespace string }

func (o Options) self() self { return self{o.Namespace} }

// program is the name that the objects of the process have, or begin with.
const program = "fluxd"

// has says whether e is part of fluxd.
func (s self) has(e apply.Entry) bool {
	if e.Group == "apiextensions.k8s.io" && e.Kind == "CustomResourceDefinition" {
		return slices.ContainsFunc(api.Resources(), func(r api.Resource) bool {
			return e.Name == r.Name.Resource+"."+r.Name.Group
		})
	}
	if s.namespace == "" { // it does not run in the cluster
		return false
	}
	if e.Group == "" && e.Kind == "Namespace" {
		return e.Name == s.namespace
	}
	if e.Namespace != "" && e.Namespace != s.namespace || e.Name != program && !strings.HasPrefix(e.Name, program+"-") {
		return false
	}
	switch e.Group + "/" + e.Kind {
	case "apps/Deployment", "/ServiceAccount",
		"rbac.authorization.k8s.io/ClusterRole", "rbac.authorization.k8s.io/ClusterRoleBinding",
		"rbac.authorization.k8s.io/Role", "rbac.authorization.k8s.io/RoleBinding":
		return true
	}
	return false
}

// spare returns what of entries is not part of fluxd, and what is.
func (s self) spare(entries apply.Inventory) (rest, own apply.Inventory) {
	for _, e := range entries {
		if s.has(e) {
			own = append(own, e)
		} else {
			rest = append(rest, e)
		}
	}
	return rest, own
}

// leaveSelf takes what fluxd consists of out of what is deleted with the object.
func (p *pass) leaveSelf(inventory apply.Inventory) (rest, own apply.Inventory) {
	if p.mayPruneSelf() {
		return inventory, nil
	}
	return p.options.self().spare(inventory)
}
