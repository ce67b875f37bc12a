package nodes

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// place is where a Pod runs, in addresses.
type place struct{ hostIP, podIP string }

// status is what the kubelet would report of pod when it stands in phase p.
// What is true already keeps its times, so that calling it again with its own
// result changes nothing; conditions set by others are left as they are.
func status(pod *corev1.Pod, p phase, at place, now metav1.Time) corev1.PodStatus {
	s := *pod.Status.DeepCopy()
	s.ObservedGeneration = pod.Generation
	s.Phase = podPhase(p)
	s.HostIP, s.HostIPs = at.hostIP, []corev1.HostIP{{IP: at.hostIP}}
	if s.StartTime == nil {
		s.StartTime = &now
	}
	if p != pending && p != waiting {
		s.PodIP, s.PodIPs = at.podIP, []corev1.PodIP{{IP: at.podIP}}
	}
	reason := pod.Annotations[annotationWaiting]
	s.InitContainerStatuses = initStatuses(pod, p, reason, now)
	s.ContainerStatuses = nil
	for _, c := range pod.Spec.Containers {
		before := find(pod.Status.ContainerStatuses, c.Name)
		s.ContainerStatuses = append(s.ContainerStatuses, containerStatus(c, before, p, reason, now))
	}
	setConditions(pod, &s, p, now)
	return s
}

func podPhase(p phase) corev1.PodPhase {
	switch p {
	case pending, waiting:
		return corev1.PodPending
	case succeeded:
		return corev1.PodSucceeded
	case failed:
		return corev1.PodFailed
	default:
		return corev1.PodRunning
	}
}

// initStatuses reports init containers as done once the Pod runs, and those
// that are sidecars as running beside the others.
func initStatuses(pod *corev1.Pod, p phase, reason string, now metav1.Time) []corev1.ContainerStatus {
	var all []corev1.ContainerStatus
	for _, c := range pod.Spec.InitContainers {
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		stands := p
		switch {
		case p == pending || p == waiting || p == succeeded:
		case sidecar:
			stands = ready
		default:
			stands = succeeded
		}
		s := containerStatus(c, find(pod.Status.InitContainerStatuses, c.Name), stands, reason, now)
		s.Ready = s.Ready || stands == succeeded
		all = append(all, s)
	}
	return all
}

func containerStatus(c corev1.Container, before corev1.ContainerStatus, p phase, reason string, now metav1.Time) corev1.ContainerStatus {
	s := corev1.ContainerStatus{
		Name: c.Name, Image: c.Image, RestartCount: before.RestartCount, LastTerminationState: before.LastTerminationState,
		Ready: p == ready,
	}
	started := p == running || p == ready
	s.Started = &started
	if p != pending && p != waiting {
		s.ImageID, s.ContainerID = "simulated://"+c.Image, "simulated://"+c.Name
	}
	switch p {
	case pending:
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	case waiting:
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: "as asked for by " + annotationWaiting}
	case running, ready:
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: startedAt(before, now)}
	case crashing:
		s.RestartCount = max(1, before.RestartCount)
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off restarting failed container"}
		if s.LastTerminationState.Terminated == nil {
			s.LastTerminationState.Terminated = terminated(before, 1, now)
		}
	case succeeded:
		s.State.Terminated = terminated(before, 0, now)
	case failed:
		s.State.Terminated = terminated(before, 1, now)
	}
	return s
}

// terminated is the end of a container that was in state before; one that
// ended already keeps its end.
func terminated(before corev1.ContainerStatus, code int32, now metav1.Time) *corev1.ContainerStateTerminated {
	if before.State.Terminated != nil {
		return before.State.Terminated
	}
	reason := "Completed"
	if code != 0 {
		reason = "Error"
	}
	return &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, StartedAt: startedAt(before, now), FinishedAt: now,
		ContainerID: before.ContainerID,
	}
}

func startedAt(before corev1.ContainerStatus, now metav1.Time) metav1.Time {
	if before.State.Running != nil {
		return before.State.Running.StartedAt
	}
	return now
}

func find(all []corev1.ContainerStatus, name string) corev1.ContainerStatus {
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	return corev1.ContainerStatus{}
}
