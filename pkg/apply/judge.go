package apply

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// health is a [status.Status] in one byte.
type health uint8

const (
	unknown health = iota
	current
	inProgress
	failed
	terminating
	notFound
)

// status returns the name that people know.
func (h health) status() status.Status {
	switch h {
	case current:
		return status.CurrentStatus
	case inProgress:
		return status.InProgressStatus
	case failed:
		return status.FailedStatus
	case terminating:
		return status.TerminatingStatus
	case notFound:
		return status.NotFoundStatus
	}
	return status.UnknownStatus
}

func healthOf(s status.Status) health {
	for h := current; h <= notFound; h++ {
		if h.status() == s {
			return h
		}
	}
	return unknown
}

// judge returns the health of a live object and, unless it is current, why
// (section 2.13). An unknown health has the error as its message. The general rules
// trust the shape of an object more than one can trust the cluster, so a panic of
// theirs is such an error.
func judge(obj *unstructured.Unstructured, rules *Rules) (h health, message string) {
	defer func() {
		if r := recover(); r != nil {
			h, message = unknown, fmt.Sprintf("the object has an unexpected shape: %v", r)
		}
	}()
	gvk := obj.GroupVersionKind()
	if rule := rules.find(gvk.GroupKind()); rule != nil {
		s, message, err := rule(obj.Object)
		return verdictOn(s, message, err)
	}
	if gvk.Group == "batch" && gvk.Kind == "Job" {
		return judgeJob(obj)
	}
	r, err := status.Compute(obj)
	if err != nil {
		return unknown, err.Error()
	}
	return verdictOn(r.Status, r.Message, nil)
}

func verdictOn(s status.Status, message string, err error) (health, string) {
	if err != nil {
		return unknown, err.Error()
	}
	h := healthOf(s)
	if h == current {
		return current, "" // nobody asks why
	}
	return h, message
}

// judgeJob counts a Job as current only once it is complete or suspended, where
// the general rules are content with one that has started.
func judgeJob(obj *unstructured.Unstructured) (health, string) {
	with, err := status.GetObjectWithConditions(obj.Object)
	if err != nil {
		return unknown, err.Error()
	}
	for _, c := range with.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case "Complete", "Suspended":
			return current, ""
		case "Failed":
			n := status.GetIntField(obj.Object, ".status.failed", 0)
			return failed, fmt.Sprintf("Job Failed. failed: %d", n)
		}
	}
	return inProgress, "Job in progress"
}

// Rule judges one object, given whole, in place of the general rules. The message
// explains any status but Current. An error makes the status Unknown.
type Rule func(obj map[string]any) (s status.Status, message string, err error)

// Rules are rules by kind. Two of them are the same only if they are the same
// pointer: keep one as long as the spec it was made from is the same, because a
// change costs a read of every object that it is about.
type Rules struct{ byKind map[schema.GroupKind]Rule }

// NewRules returns rules by kind. A rule under an empty Kind is for every kind of
// its group that has none of its own. No rules are nil.
func NewRules(byKind map[schema.GroupKind]Rule) *Rules {
	if len(byKind) == 0 {
		return nil
	}
	return &Rules{byKind}
}

// ofKind returns r if it has a rule for a kind, and otherwise no rules, so that what
// they say of other kinds makes no difference.
func (r *Rules) ofKind(gk schema.GroupKind) *Rules {
	if r.find(gk) == nil {
		return nil
	}
	return r
}

// find returns the rule for a kind, nil if the general rules are to be used.
func (r *Rules) find(gk schema.GroupKind) Rule {
	if r == nil {
		return nil
	}
	if rule := r.byKind[gk]; rule != nil {
		return rule
	}
	return r.byKind[schema.GroupKind{Group: gk.Group}]
}
