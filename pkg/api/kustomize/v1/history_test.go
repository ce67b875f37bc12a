package v1

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestHistoryWith(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 10, minute, 0, 0, time.UTC) }
	entry := func(digest, status string, first, last int, n int64) Snapshot {
		return Snapshot{
			Digest: digest, LastReconciledStatus: status, TotalReconciliations: n,
			FirstReconciled: metav1.NewTime(at(first)), LastReconciled: metav1.NewTime(at(last)),
			LastReconciledDuration: metav1.Duration{Duration: time.Second},
		}
	}
	cases := map[string]struct {
		history        History
		digest, status string
		want           History
	}{
		"the first": {
			nil, "a", "ok",
			History{entry("a", "ok", 9, 9, 1)},
		},
		"the same again": {
			History{entry("a", "ok", 1, 1, 1), entry("b", "ok", 0, 0, 1)}, "a", "ok",
			History{entry("a", "ok", 1, 9, 2), entry("b", "ok", 0, 0, 1)},
		},
		"an older one again moves to the front": {
			History{entry("b", "ok", 2, 2, 1), entry("a", "ok", 1, 1, 3)}, "a", "ok",
			History{entry("a", "ok", 1, 9, 4), entry("b", "ok", 2, 2, 1)},
		},
		"the same manifests ending differently": {
			History{entry("a", "ok", 1, 1, 1)}, "a", "failed",
			History{entry("a", "failed", 9, 9, 1), entry("a", "ok", 1, 1, 1)},
		},
		"one too many drops the oldest": {
			History{entry("e", "ok", 5, 5, 1), entry("d", "ok", 4, 4, 1), entry("c", "ok", 3, 3, 1), entry("b", "ok", 2, 2, 1), entry("a", "ok", 1, 1, 1)}, "f", "ok",
			History{entry("f", "ok", 9, 9, 1), entry("e", "ok", 5, 5, 1), entry("d", "ok", 4, 4, 1), entry("c", "ok", 3, 3, 1), entry("b", "ok", 2, 2, 1)},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := tc.history.DeepCopy()
			got := tc.history.With(Outcome{Digest: tc.digest, Status: tc.status, At: at(9), Took: time.Second})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if diff := cmp.Diff(before, tc.history); diff != "" {
				t.Errorf("the old history was changed: -before +after\n%s", diff)
			}
		})
	}
}
