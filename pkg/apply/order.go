package apply

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The stages, in the order in which they are applied. What follows definitions or
// classes is not sent before they are healthy, because the API server would refuse
// it: a custom resource without its CRD, an object without its namespace.
const (
	stageDefinitions = iota
	stageClasses
	stageCustom
	stageRest
	stages
)

// gates says whether the objects of a stage must be healthy before the next.
func gates(stage int) bool { return stage <= stageClasses }

// stageOf returns the stage of a kind. custom are the kinds of stageCustom.
func stageOf(gk schema.GroupKind, custom []schema.GroupKind) int {
	switch {
	case gk.Group == "apiextensions.k8s.io" && gk.Kind == "CustomResourceDefinition",
		gk.Group == "" && gk.Kind == "Namespace",
		gk.Group == "rbac.authorization.k8s.io" && gk.Kind == "ClusterRole":
		return stageDefinitions
	case strings.HasSuffix(gk.Kind, "Class"):
		return stageClasses
	case slices.Contains(custom, gk):
		return stageCustom
	}
	return stageRest
}

// rankOf returns the order class of a kind inside its stage. Objects of one class
// do not depend on each other, so they may be written at the same time. The order
// is that of the stock controller: what others refer to comes first, webhooks that
// could block the rest come last.
func rankOf(kind string) int {
	switch kind {
	case "CustomResourceDefinition":
		return 0
	case "Namespace":
		return 1
	case "ClusterRole":
		return 2
	case "ClusterClass":
		return 3
	case "RuntimeClass":
		return 4
	case "PriorityClass":
		return 5
	case "StorageClass":
		return 6
	case "VolumeSnapshotClass":
		return 7
	case "IngressClass":
		return 8
	case "GatewayClass":
		return 9
	case "ClusterRoleBinding":
		return 10
	case "ResourceQuota":
		return 11
	case "ServiceAccount":
		return 12
	case "Role":
		return 13
	case "RoleBinding":
		return 14
	case "ConfigMap":
		return 15
	case "Secret":
		return 16
	case "Service":
		return 17
	case "LimitRange":
		return 18
	case "Deployment":
		return 19
	case "StatefulSet":
		return 20
	case "CronJob":
		return 21
	case "PodDisruptionBudget":
		return 22
	case "MutatingWebhookConfiguration":
		return 24
	case "ValidatingWebhookConfiguration":
		return 25
	}
	return 23 // every other kind
}

// compare orders entries inside a stage: by class, then group, kind, namespace and
// name.
func (e Entry) compare(f Entry) int {
	return cmp.Or(
		cmp.Compare(rankOf(e.Kind), rankOf(f.Kind)),
		strings.Compare(e.Group, f.Group),
		strings.Compare(e.Kind, f.Kind),
		strings.Compare(e.Namespace, f.Namespace),
		strings.Compare(e.Name, f.Name),
	)
}

// classes cuts entries, sorted by [Entry.compare], into runs of one order class.
// entry tells the entry of the i-th of n elements.
func classes(n int, entry func(int) Entry) [][2]int {
	var runs [][2]int
	for from := 0; from < n; {
		rank, to := rankOf(entry(from).Kind), from+1
		for to < n && rankOf(entry(to).Kind) == rank {
			to++
		}
		runs = append(runs, [2]int{from, to})
		from = to
	}
	return runs
}
