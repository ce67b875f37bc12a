package v1

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTimes(t *testing.T) {
	d := func(v time.Duration) *metav1.Duration { return &metav1.Duration{Duration: v} }
	cases := map[string]struct {
		interval               time.Duration
		timeout, retryInterval *metav1.Duration
		wantTimeout, wantRetry time.Duration
	}{
		"both follow the interval":          {10 * time.Minute, nil, nil, 10*time.Minute - 30*time.Second, 10 * time.Minute},
		"both given":                        {10 * time.Minute, d(2 * time.Minute), d(time.Minute), 2 * time.Minute, time.Minute},
		"a short interval":                  {40 * time.Second, nil, nil, 30 * time.Second, 40 * time.Second},
		"a short timeout":                   {10 * time.Minute, d(time.Second), nil, 30 * time.Second, 10 * time.Minute},
		"no interval":                       {0, nil, nil, 30 * time.Second, 0},
		"a retry interval without interval": {0, nil, d(time.Minute), 30 * time.Second, time.Minute},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &Kustomization{Spec: KustomizationSpec{
				Interval:      metav1.Duration{Duration: tc.interval},
				Timeout:       tc.timeout,
				RetryInterval: tc.retryInterval,
			}}
			if got := k.GetTimeout(); got != tc.wantTimeout {
				t.Errorf("timeout %s, want %s", got, tc.wantTimeout)
			}
			if got := k.GetRetryInterval(); got != tc.wantRetry {
				t.Errorf("retry interval %s, want %s", got, tc.wantRetry)
			}
			if got := k.GetRequeueAfter(); got != tc.interval {
				t.Errorf("requeue after %s, want %s", got, tc.interval)
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	k := &Kustomization{}
	if got := k.GetDeletionPolicy(); got != "MirrorPrune" {
		t.Errorf("deletion policy %q", got)
	}
	if got := k.GetSubstituteStrategy(); got != "WithVariables" {
		t.Errorf("substitute strategy %q", got)
	}
	k.Spec.DeletionPolicy = "Orphan"
	k.Spec.PostBuild = &PostBuild{SubstituteStrategy: "Always"}
	if got := k.GetDeletionPolicy(); got != "Orphan" {
		t.Errorf("deletion policy %q", got)
	}
	if got := k.GetSubstituteStrategy(); got != "Always" {
		t.Errorf("substitute strategy %q", got)
	}
}
