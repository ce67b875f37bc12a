package nodes

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// setConditions sets the conditions that belong to the kubelet in s.
func setConditions(pod *corev1.Pod, s *corev1.PodStatus, p phase, now metav1.Time) {
	var started, done bool
	reason := "ContainersNotReady"
	switch p {
	case pending, waiting:
	case succeeded:
		started, done, reason = true, true, "PodCompleted"
	case failed:
		started, done, reason = true, true, "PodFailed"
	default:
		started = true
	}
	set := func(kind corev1.PodConditionType, is bool, reason string) {
		setCondition(pod, s, kind, is, reason, now)
	}
	set(corev1.PodReadyToStartContainers, started && !done, "")
	set(corev1.PodInitialized, started, "ContainersNotInitialized")
	set(corev1.ContainersReady, p == ready, reason)
	if p == ready && !gatesPass(pod) {
		reason = "ReadinessGatesNotReady"
	}
	set(corev1.PodReady, p == ready && gatesPass(pod), reason)
}

// setCondition sets one condition, with reason only where it is false. Its
// transition time moves when the condition does.
func setCondition(pod *corev1.Pod, s *corev1.PodStatus, kind corev1.PodConditionType, is bool, reason string, now metav1.Time) {
	c := corev1.PodCondition{
		Type: kind, Status: corev1.ConditionFalse, Reason: reason,
		ObservedGeneration: pod.Generation, LastTransitionTime: now,
	}
	if is {
		c.Status, c.Reason = corev1.ConditionTrue, ""
	}
	for i := range s.Conditions {
		if s.Conditions[i].Type == kind {
			if s.Conditions[i].Status == c.Status {
				c.LastTransitionTime = s.Conditions[i].LastTransitionTime
			}
			s.Conditions[i] = c
			return
		}
	}
	s.Conditions = append(s.Conditions, c)
}

// gatesPass tells whether the conditions that pod asks others to set are true.
func gatesPass(pod *corev1.Pod) bool {
	for _, gate := range pod.Spec.ReadinessGates {
		if !conditionTrue(pod, gate.ConditionType) {
			return false
		}
	}
	return true
}

func conditionTrue(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
