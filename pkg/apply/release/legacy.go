package release

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/fluxd/fluxd/pkg/apply"
)

// legacyRules are those of Helm 3. Objects of other kinds are ready once they exist.
func legacyRules() map[schema.GroupKind]apply.Rule {
	return map[schema.GroupKind]apply.Rule{
		kindPod:                              readyPod,
		kindDeployment:                       readyDeployment,
		kindJob:                              anyhow,
		{Group: "apps", Kind: "StatefulSet"}: readyStatefulSet,
		{Group: "apps", Kind: "DaemonSet"}:   readyDaemonSet,
		{Group: "apps", Kind: "ReplicaSet"}:  readyReplicas,
		{Kind: "ReplicationController"}:      readyReplicas,
		{Kind: "PersistentVolumeClaim"}:      boundClaim,
		{Kind: "Service"}:                    readyService,
		{Group: crdGroup, Kind: crdKind}:     generally,
	}
}

const (
	crdGroup = "apiextensions.k8s.io"
	crdKind  = "CustomResourceDefinition"
)

// legacyAwaits says whether Helm 3 waits for objects of a kind.
func legacyAwaits(e apply.Entry) bool {
	_, ok := legacyRules()[e.GroupKind()]
	return ok
}

func anyhow(map[string]any) (status.Status, string, error) { return status.CurrentStatus, "", nil }

// yet is the verdict on an object that is ready if the condition holds.
func yet(ready bool, format string, args ...any) (status.Status, string, error) {
	if ready {
		return status.CurrentStatus, "", nil
	}
	return status.InProgressStatus, fmt.Sprintf(format, args...), nil
}

func readyPod(obj map[string]any) (status.Status, string, error) {
	conditions, _, _ := unstructured.NestedSlice(obj, "status", "conditions")
	for _, c := range conditions {
		c, _ := c.(map[string]any)
		if c["type"] == "Ready" {
			return yet(c["status"] == "True", "the Pod is not ready")
		}
	}
	return yet(false, "the Pod is not ready")
}

// number returns a number, or what it is by default.
func number(obj map[string]any, or int64, path ...string) int64 {
	n, ok, _ := unstructured.NestedInt64(obj, path...)
	if !ok {
		return or
	}
	return n
}

// observed says whether a controller has seen the latest generation.
func observed(obj map[string]any) bool {
	return number(obj, 0, "status", "observedGeneration") >= number(obj, 0, "metadata", "generation")
}

func readyDeployment(obj map[string]any) (status.Status, string, error) {
	if paused, _, _ := unstructured.NestedBool(obj, "spec", "paused"); paused {
		return anyhow(obj)
	}
	want := number(obj, 1, "spec", "replicas")
	unavailable := share(obj, want, "25%", "spec", "strategy", "rollingUpdate", "maxUnavailable")
	if kind, _, _ := unstructured.NestedString(obj, "spec", "strategy", "type"); kind == "Recreate" {
		unavailable = 0
	}
	ready := number(obj, 0, "status", "readyReplicas")
	return yet(observed(obj) && ready >= want-unavailable, "%d of %d replicas are ready", ready, want)
}

func readyDaemonSet(obj map[string]any) (status.Status, string, error) {
	if kind, _, _ := unstructured.NestedString(obj, "spec", "updateStrategy", "type"); kind == "OnDelete" {
		return anyhow(obj)
	}
	want := number(obj, 0, "status", "desiredNumberScheduled")
	updated := number(obj, 0, "status", "updatedNumberScheduled")
	ready := number(obj, 0, "status", "numberReady")
	unavailable := share(obj, want, "1", "spec", "updateStrategy", "rollingUpdate", "maxUnavailable")
	return yet(observed(obj) && updated == want && ready >= want-unavailable, "%d of %d Pods are ready", ready, want)
}

func readyStatefulSet(obj map[string]any) (status.Status, string, error) {
	if kind, _, _ := unstructured.NestedString(obj, "spec", "updateStrategy", "type"); kind != "RollingUpdate" && kind != "" {
		return anyhow(obj)
	}
	want := number(obj, 1, "spec", "replicas")
	partition := number(obj, 0, "spec", "updateStrategy", "rollingUpdate", "partition")
	updated := number(obj, 0, "status", "updatedReplicas")
	ready := number(obj, 0, "status", "readyReplicas")
	current, _, _ := unstructured.NestedString(obj, "status", "currentRevision")
	latest, _, _ := unstructured.NestedString(obj, "status", "updateRevision")
	moved := partition != 0 || current == latest
	return yet(observed(obj) && updated >= want-partition && ready == want && moved, "%d of %d replicas are ready", ready, want)
}

func readyReplicas(obj map[string]any) (status.Status, string, error) {
	want := number(obj, 1, "spec", "replicas")
	ready := number(obj, 0, "status", "readyReplicas")
	return yet(observed(obj) && ready >= want, "%d of %d replicas are ready", ready, want)
}

func boundClaim(obj map[string]any) (status.Status, string, error) {
	phase, _, _ := unstructured.NestedString(obj, "status", "phase")
	return yet(phase == "Bound", "the claim is not bound")
}

func readyService(obj map[string]any) (status.Status, string, error) {
	kind, _, _ := unstructured.NestedString(obj, "spec", "type")
	address, _, _ := unstructured.NestedString(obj, "spec", "clusterIP")
	external, _, _ := unstructured.NestedSlice(obj, "spec", "externalIPs")
	ingress, _, _ := unstructured.NestedSlice(obj, "status", "loadBalancer", "ingress")
	switch {
	case kind == "ExternalName":
		return anyhow(obj)
	case address == "":
		return yet(false, "the Service has no address")
	case kind == "LoadBalancer" && len(external) == 0:
		return yet(len(ingress) > 0, "the Service has no load balancer")
	}
	return anyhow(obj)
}

// share returns how many of want a field allows, which is a number or a percentage,
// rounded down.
func share(obj map[string]any, want int64, or string, path ...string) int64 {
	value, ok, _ := unstructured.NestedFieldNoCopy(obj, path...)
	if !ok {
		value = or
	}
	limit := intstr.Parse(fmt.Sprint(value))
	n, err := intstr.GetScaledValueFromIntOrPercent(&limit, int(want), false)
	if err != nil {
		return 0
	}
	return int64(n)
}
