package nodes

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestDecide(t *testing.T) {
	d := delays{start: time.Second, run: 10 * time.Second}
	set := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	tests := map[string]struct {
		annotations map[string]string
		finite      bool
		was         corev1.PodPhase
		age         time.Duration
		want        phase
		again       time.Duration
	}{
		"a new pod waits for its start":        {age: 0, want: pending, again: time.Second},
		"a started pod is ready":               {age: time.Second, want: ready},
		"a pod is ready later when it says so": {annotations: set(annotationReadyAfter, "5s"), age: 2 * time.Second, want: running, again: 4 * time.Second},
		"and is ready once that has passed":    {annotations: set(annotationReadyAfter, "5s"), age: 6 * time.Second, want: ready},
		"a duration that does not parse is ignored": {
			annotations: set(annotationReadyAfter, "soon"), age: time.Second, want: ready},
		"a pod can stay unready":                {annotations: set(annotationNeverReady, "true"), age: time.Hour, want: running},
		"a pod can fail to start":               {annotations: set(annotationWaiting, "ImagePullBackOff"), age: time.Hour, want: waiting},
		"an endless pod that fails crashes":     {annotations: set(annotationFail, "true"), age: time.Hour, want: crashing},
		"a crash can come later":                {annotations: set(annotationFail, "true", annotationRunFor, "3s"), age: 2 * time.Second, want: running, again: 2 * time.Second},
		"a job's pod runs for a while":          {finite: true, age: 2 * time.Second, want: ready, again: 9 * time.Second},
		"a job's pod succeeds":                  {finite: true, age: 11 * time.Second, want: succeeded},
		"a job's pod can take its own time":     {finite: true, annotations: set(annotationRunFor, "1m"), age: 11 * time.Second, want: ready, again: 50 * time.Second},
		"a job's pod can fail":                  {finite: true, annotations: set(annotationFail, "true"), age: 11 * time.Second, want: failed},
		"a job's pod can hang":                  {finite: true, annotations: set(annotationNeverReady, "true"), age: time.Hour, want: running},
		"readiness comes before the end":        {finite: true, annotations: set(annotationReadyAfter, "2s"), age: 2 * time.Second, want: running, again: time.Second},
		"a pod that succeeded never moves":      {finite: true, was: corev1.PodSucceeded, annotations: set(annotationFail, "true"), want: succeeded},
		"a pod that failed never moves":         {was: corev1.PodFailed, age: time.Hour, want: failed},
		"an annotation set to false is not set": {annotations: set(annotationNeverReady, "false"), age: time.Second, want: ready},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{}
			pod.Annotations, pod.Status.Phase = tt.annotations, tt.was
			pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
			if tt.finite {
				pod.Spec.RestartPolicy = corev1.RestartPolicyNever
			}
			got, again := decide(pod, tt.age, d)
			if got != tt.want || again != tt.again {
				t.Errorf("decide = %v, %v; want %v, %v", got, again, tt.want, tt.again)
			}
		})
	}
}
