package nodes

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
)

// addresses hands out addresses for Pods. They repeat after 64,000 Pods, and
// lead nowhere.
type addresses struct{ last atomic.Uint32 }

// of is the place of pod: the address it has, or a new one. A Pod on the
// host's network shares the address of its node.
func (a *addresses) of(pod *corev1.Pod) place {
	host := nodeIP(nodeIndex(pod.Spec.NodeName))
	switch {
	case pod.Spec.HostNetwork:
		return place{hostIP: host, podIP: host}
	case pod.Status.PodIP != "":
		return place{hostIP: host, podIP: pod.Status.PodIP}
	}
	n := a.last.Add(1) % 64000
	return place{hostIP: host, podIP: fmt.Sprintf("10.244.%d.%d", n/250, n%250+1)}
}

// nodeIndex reads the number from the name of one of our nodes.
func nodeIndex(name string) int {
	_, number, _ := strings.Cut(name, "-")
	i, _ := strconv.Atoi(number) // a foreign node counts as the first
	return i
}
