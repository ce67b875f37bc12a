package helmrelease

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/fault"
)

// decisive returns the conditions that Ready may come from, the most important first.
func decisive(obj *v2.HelmRelease) []string {
	if t := obj.GetTest(); t.Enable && !t.IgnoreFailures {
		return []string{api.ConditionRemediated, api.ConditionTestSuccess, api.ConditionReleased}
	}
	return []string{api.ConditionRemediated, api.ConditionReleased}
}

// summarise returns what Ready is to say about the release, nil if nothing was done with it
// yet. A remediation always means that it is not ready, however that went.
func summarise(obj *v2.HelmRelease, list []metav1.Condition) *fault.Summary {
	types := decisive(obj)
	var found []metav1.Condition
	for _, c := range conditions.Sort(list) {
		if slices.Contains(types, c.Type) {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return nil
	}
	first := foremost(found, types)
	if first.Type == api.ConditionRemediated {
		first.Status = metav1.ConditionFalse
	}
	return &fault.Summary{Status: first.Status, Reason: first.Reason, Message: first.Message}
}

// foremost returns the condition that comes first: a more important one passes those
// before it unless it speaks of an older generation. What it cannot pass stops it, which
// is why this is an insertion and no comparison of all with all.
func foremost(list []metav1.Condition, types []string) metav1.Condition {
	before := func(a, b metav1.Condition) bool {
		return a.ObservedGeneration >= b.ObservedGeneration && slices.Index(types, a.Type) < slices.Index(types, b.Type)
	}
	for i := range list {
		for j := i; j > 0 && before(list[j], list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list[0]
}
