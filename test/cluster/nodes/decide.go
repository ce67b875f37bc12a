package nodes

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The annotations of a Pod that make it behave otherwise than well.
const (
	annotationReadyAfter = "fluxd.test/ready-after"
	annotationNeverReady = "fluxd.test/never-ready"
	annotationWaiting    = "fluxd.test/waiting"
	annotationFail       = "fluxd.test/fail"
	annotationRunFor     = "fluxd.test/run-for"
)

// phase is where a Pod stands in its life, as these nodes tell it.
type phase int

const (
	pending   phase = iota // bound, its containers not started
	waiting                // its containers cannot start
	running                // started, not ready
	ready                  // started and ready
	crashing               // its containers keep failing
	succeeded              // all containers exited with 0
	failed                 // all containers exited with 1
)

// decide returns the phase that a Pod belongs in when it has been on its node
// for age, and how long from then it is worth asking again: zero means not
// before the Pod changes. A Pod that has finished never moves again.
func decide(pod *corev1.Pod, age time.Duration, d delays) (phase, time.Duration) {
	switch {
	case pod.Status.Phase == corev1.PodSucceeded:
		return succeeded, 0
	case pod.Status.Phase == corev1.PodFailed:
		return failed, 0
	case pod.Annotations[annotationWaiting] != "":
		return waiting, 0
	case age < d.start:
		return pending, d.start - age
	case finite(pod):
		return decideFinite(pod, age-d.start, d)
	default:
		return decideEndless(pod, age-d.start)
	}
}

// finite tells whether the containers of pod are meant to end.
func finite(pod *corev1.Pod) bool {
	return pod.Spec.RestartPolicy != corev1.RestartPolicyAlways
}

func decideFinite(pod *corev1.Pod, ran time.Duration, d delays) (phase, time.Duration) {
	if rest := duration(pod, annotationRunFor, d.run) - ran; rest > 0 {
		now, again := readiness(pod, ran)
		if again == 0 || again > rest {
			again = rest
		}
		return now, again
	}
	if isSet(pod, annotationFail) {
		return failed, 0
	}
	if isSet(pod, annotationNeverReady) {
		return running, 0 // hangs, as a Job does that never gets anywhere
	}
	return succeeded, 0
}

func decideEndless(pod *corev1.Pod, ran time.Duration) (phase, time.Duration) {
	if !isSet(pod, annotationFail) {
		return readiness(pod, ran)
	}
	if rest := duration(pod, annotationRunFor, 0) - ran; rest > 0 {
		return running, rest
	}
	return crashing, 0
}

// readiness is the phase of a Pod that has run for a time and goes on running.
func readiness(pod *corev1.Pod, ran time.Duration) (phase, time.Duration) {
	if isSet(pod, annotationNeverReady) {
		return running, 0
	}
	if rest := duration(pod, annotationReadyAfter, 0) - ran; rest > 0 {
		return running, rest
	}
	return ready, 0
}

func isSet(pod *corev1.Pod, annotation string) bool { return pod.Annotations[annotation] == "true" }

// duration reads a duration from an annotation. One that does not parse
// counts as absent: there is nobody to tell.
func duration(pod *corev1.Pod, annotation string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(pod.Annotations[annotation]); err == nil {
		return d
	}
	return otherwise
}
