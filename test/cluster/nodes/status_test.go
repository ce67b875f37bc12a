package nodes

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestStatusIsWrittenOnce(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	early, late := metav1.NewTime(time.Unix(1000, 0)), metav1.NewTime(time.Unix(2000, 0))
	for p := pending; p <= failed; p++ {
		pod := &corev1.Pod{Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "init"}, {Name: "sidecar", RestartPolicy: &always}},
			Containers:     []corev1.Container{{Name: "main", Image: "example"}},
		}}
		pod.Status = status(pod, p, place{"10.243.0.1", "10.244.0.1"}, early)
		again := status(pod, p, place{"10.243.0.1", "10.244.0.1"}, late)
		if diff := cmp.Diff(pod.Status, again); diff != "" {
			t.Errorf("phase %d: written again with a change:\n%s", p, diff)
		}
	}
}

func TestReadinessGates(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		Containers:     []corev1.Container{{Name: "main"}},
		ReadinessGates: []corev1.PodReadinessGate{{ConditionType: "example.com/gate"}},
	}}
	now := metav1.Now()
	pod.Status = status(pod, ready, place{}, now)
	if conditionTrue(pod, corev1.PodReady) || !conditionTrue(pod, corev1.ContainersReady) {
		t.Errorf("with a closed gate: conditions %v, want containers ready and the pod not", pod.Status.Conditions)
	}
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: "example.com/gate", Status: corev1.ConditionTrue})
	pod.Status = status(pod, ready, place{}, now)
	if !conditionTrue(pod, corev1.PodReady) {
		t.Errorf("with an open gate: conditions %v, want the pod ready", pod.Status.Conditions)
	}
}
