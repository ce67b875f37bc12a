package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	errBroken = errors.New("it broke")
	longAgo   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	today     = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
)

// conditionsOf is a status as it was long ago: type, status, reason, message.
func conditionsOf(rows ...[4]string) []metav1.Condition {
	var list []metav1.Condition
	for _, r := range rows {
		list = append(list, metav1.Condition{
			Type: r[0], Status: metav1.ConditionStatus(r[1]), Reason: r[2], Message: r[3],
			ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(longAgo),
		})
	}
	return list
}

// TestSettle is the table of what an ending means.
func TestSettle(t *testing.T) {
	ready := [4]string{"Ready", "True", "Succeeded", "stored artifact"}
	foreign := [4]string{"ArtifactInStorage", "True", "Succeeded", "stored artifact"}
	stalled := [4]string{"Stalled", "True", "URLInvalid", "bad URL"}
	busy := [4]string{"Reconciling", "True", "Progressing", "at work"}
	unwell := fault.Summary{Status: metav1.ConditionFalse, Reason: "TestFailed", Message: "a test failed"}
	tests := map[string]struct {
		before   []metav1.Condition
		observed int64         // the generation is 2
		retry    time.Duration // of the object
		failures int           // so far
		end      ending

		want     map[string]string
		wantSeen int64
		after    time.Duration
		count    int
		cold     bool
		fact     string // severity and reason
		always   bool
	}{
		"success clears what is bad": {
			before: conditionsOf(stalled, busy, [4]string{"Ready", "False", "URLInvalid", "bad URL"}, foreign), observed: 1, failures: 3,
			end:  ending{result: reconcilers.Result{Reason: "Succeeded", Message: "stored artifact", Fact: &reconcilers.Fact{Reason: "NewArtifact"}}},
			want: map[string]string{"Ready": "True Succeeded: stored artifact", "ArtifactInStorage": "True Succeeded: stored artifact"}, wantSeen: 2,
			after: 10 * time.Minute, fact: "info NewArtifact", always: true,
		},
		"success without news": {
			before: conditionsOf(ready), observed: 2,
			end:  ending{result: reconcilers.Result{Reason: "Succeeded", Message: "stored artifact", Fact: &reconcilers.Fact{Reason: "Succeeded", Routine: true}}},
			want: map[string]string{"Ready": "True Succeeded: stored artifact"}, wantSeen: 2,
			after: 10 * time.Minute, fact: "info Succeeded",
		},
		"once more": {
			before: conditionsOf(ready, stalled), observed: 1, failures: 2,
			end:  ending{result: reconcilers.Result{Again: true, Progress: "step 1 of 2"}},
			want: map[string]string{"Ready": "True Succeeded: stored artifact", "Reconciling": "True Progressing: step 1 of 2"}, wantSeen: 1,
			after: 0, count: 2,
		},
		"once more at the very first": {
			observed: -1, end: ending{result: reconcilers.Result{Again: true, Progress: "step 1 of 2"}},
			want: map[string]string{"Ready": "Unknown Progressing: step 1 of 2", "Reconciling": "True Progressing: step 1 of 2"}, wantSeen: -1,
		},
		"stalled": {
			before: conditionsOf(ready, busy), observed: 1, failures: 3,
			end:  ending{err: fault.Stalled("URLInvalid", errBroken)},
			want: map[string]string{"Ready": "False URLInvalid: it broke", "Stalled": "True URLInvalid: it broke"}, wantSeen: 2,
			after: never, fact: "error URLInvalid",
		},
		"stalled, said in passing": {
			observed: 1, end: ending{err: fmt.Errorf("on the way: %w", fault.Stalled("URLInvalid", errBroken))},
			want: map[string]string{"Ready": "False URLInvalid: it broke", "Stalled": "True URLInvalid: it broke"}, wantSeen: 2,
			after: never, fact: "error URLInvalid",
		},
		"waiting for others": {
			before: conditionsOf(ready, stalled), observed: 2, failures: 2,
			end:  ending{err: fault.Waiting("DependencyNotReady", errBroken, 30*time.Second)},
			want: map[string]string{"Ready": "False DependencyNotReady: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 2,
			after: 30 * time.Second, count: 2, fact: "info DependencyNotReady",
		},
		"waiting does not observe a new generation": {
			before: conditionsOf(ready), observed: 1,
			end:  ending{err: fault.Waiting("DependencyNotReady", errBroken, 30*time.Second)},
			want: map[string]string{"Ready": "False DependencyNotReady: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: 30 * time.Second, fact: "info DependencyNotReady",
		},
		"waiting and progressing": {
			before: conditionsOf(ready), observed: 1,
			end:  ending{err: &fault.WaitingError{Reason: "Progressing", Err: errBroken, After: time.Minute, Quiet: true}},
			want: map[string]string{"Ready": "Unknown Progressing: it broke", "Reconciling": "True Progressing: it broke"}, wantSeen: 1,
			after: time.Minute,
		},
		"waiting until something changes": {
			observed: 1, end: ending{err: fault.Waiting("NoArtifact", errBroken, 0)},
			want: map[string]string{"Ready": "False NoArtifact: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: never, fact: "info NoArtifact",
		},
		"waiting for a time that has passed": {
			observed: 1, end: ending{err: fault.Waiting("NoArtifact", errBroken, -2)},
			want: map[string]string{"Ready": "False NoArtifact: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: time.Second, fact: "info NoArtifact",
		},
		"cold memory keeps what is ready": {
			before: conditionsOf(ready), observed: 2,
			end:  ending{err: fault.Cold("NoArtifact", errBroken, 5*time.Second)},
			want: map[string]string{"Ready": "True Succeeded: stored artifact"}, wantSeen: 2,
			after: 5 * time.Second, cold: true,
		},
		"cold memory keeps what has failed": {
			before: observing(2, conditionsOf([4]string{"Ready", "False", "BuildFailed", "it broke before"}, busy)), observed: -1, failures: 1,
			end:  ending{err: fault.Cold("Progressing", errBroken, 5*time.Second)},
			want: map[string]string{"Ready": "False BuildFailed: it broke before", "Reconciling": "True " + busy[2] + ": " + busy[3]}, wantSeen: -1,
			after: 5 * time.Second, count: 1, cold: true,
		},
		"cold memory keeps what has stalled": {
			before: observing(2, conditionsOf([4]string{"Ready", "False", "UpgradeFailed", "it broke before"}, stalled)), observed: 2,
			end:  ending{err: fault.Cold("Progressing", errBroken, 5*time.Second)},
			want: map[string]string{"Ready": "False UpgradeFailed: it broke before", "Stalled": "True " + stalled[2] + ": " + stalled[3]}, wantSeen: 2,
			after: 5 * time.Second, cold: true,
		},
		"cold memory says nothing of what failed in another generation": {
			before: observing(1, conditionsOf([4]string{"Ready", "False", "BuildFailed", "it broke before"})), observed: 1,
			end:  ending{err: fault.Cold("Progressing", errBroken, 5*time.Second)},
			want: map[string]string{"Ready": "Unknown Progressing: it broke", "Reconciling": "True Progressing: it broke"}, wantSeen: 1,
			after: 5 * time.Second, cold: true,
		},
		"cold memory says nothing of a new generation": {
			before: conditionsOf(ready), observed: 1,
			end:  ending{err: fault.Cold("NoArtifact", errBroken, 5*time.Second)},
			want: map[string]string{"Ready": "False NoArtifact: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: 5 * time.Second, cold: true,
		},
		"failed, with a retry interval": {
			before: conditionsOf(ready, stalled), observed: 1, retry: 2 * time.Minute, failures: 1,
			end:  ending{err: fault.Failed("BuildFailed", errBroken)},
			want: map[string]string{"Ready": "False BuildFailed: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: 2 * time.Minute, count: 2, fact: "error BuildFailed",
		},
		"failed, without one": {
			observed: 1, failures: 2, end: ending{err: fault.Failed("BuildFailed", errBroken)},
			want: map[string]string{"Ready": "False BuildFailed: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: 4 * time.Second, count: 3, fact: "error BuildFailed",
		},
		"failed, with backoff whatever the object says": {
			observed: 1, retry: 2 * time.Minute, end: ending{err: fault.Backoff("PruneFailed", errBroken)},
			want: map[string]string{"Ready": "False PruneFailed: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: time.Second, count: 1, fact: "error PruneFailed",
		},
		"failed, with backoff up to what the object says": {
			observed: 1, retry: 2 * time.Second, failures: 5, end: ending{err: fault.Backoff("PruneFailed", errBroken)},
			want: map[string]string{"Ready": "False PruneFailed: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: 2 * time.Second, count: 6, fact: "error PruneFailed",
		},
		"failed, and asked for a pause": {
			observed: 1, end: ending{err: fault.Later("FetchFailed", errBroken, 2*time.Minute)},
			want: map[string]string{"Ready": "False FetchFailed: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: 2 * time.Minute, count: 1, fact: "error FetchFailed",
		},
		"failed, to be tried again at a time of its own": {
			before: conditionsOf(ready), observed: 1, retry: 2 * time.Second, failures: 5, end: ending{err: fault.Retry("InstallFailed", errBroken, 5*time.Minute)},
			want: map[string]string{"Ready": "False InstallFailed: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 2,
			after: 5 * time.Minute, count: 6, fact: "error InstallFailed",
		},
		"ended well, and summed up as not ready": {
			before: conditionsOf(busy), observed: 1, failures: 2,
			end:  ending{result: reconcilers.Result{Reason: "Succeeded", Message: "done", Summary: &unwell}},
			want: map[string]string{"Ready": "False TestFailed: a test failed"}, wantSeen: 2,
			after: 10 * time.Minute,
		},
		"once more, summed up": {
			before: conditionsOf(ready), observed: 1,
			end:  ending{result: reconcilers.Result{Again: true, Progress: "step 1 of 2", Summary: &unwell}},
			want: map[string]string{"Ready": "False TestFailed: a test failed", "Reconciling": "True Progressing: step 1 of 2"}, wantSeen: 1,
		},
		"waiting, summed up": {
			before: conditionsOf(ready, stalled), observed: 1,
			end:  ending{err: fault.Summarised(&fault.WaitingError{Reason: "Progressing", Err: errBroken, After: time.Minute}, unwell)},
			want: map[string]string{"Ready": "False TestFailed: a test failed", "Reconciling": "True Progressing: it broke"}, wantSeen: 1,
			after: time.Minute,
		},
		"stalled, summed up": {
			before: conditionsOf(ready, busy), observed: 1,
			end:  ending{err: fmt.Errorf("on the way: %w", fault.Summarised(fault.Stalled("RetriesExceeded", errBroken), unwell))},
			want: map[string]string{"Ready": "False TestFailed: a test failed", "Stalled": "True RetriesExceeded: it broke"}, wantSeen: 2,
			after: never,
		},
		"failed, summed up": {
			before: conditionsOf(ready, busy), observed: 1,
			end:  ending{err: fault.Summarised(fault.Backoff("ReconcileError", errBroken), unwell)},
			want: map[string]string{"Ready": "False TestFailed: a test failed", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: time.Second, count: 1,
		},
		"any other error": {
			observed: 1, retry: 2 * time.Minute, failures: 1, end: ending{err: errBroken},
			want: map[string]string{"Ready": "False ReconciliationFailed: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: 2 * time.Second, count: 2, fact: "error ReconciliationFailed",
		},
		"an error outweighs a wish to go on": {
			observed: 1, end: ending{err: errBroken, result: reconcilers.Result{Again: true}},
			want: map[string]string{"Ready": "False ReconciliationFailed: it broke", "Reconciling": "True ProgressingWithRetry: it broke"}, wantSeen: 1,
			after: time.Second, count: 1, fact: "error ReconciliationFailed",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := app("it")
			obj.Generation, obj.Status.ObservedGeneration, obj.Status.Conditions = 2, test.observed, test.before
			obj.Spec.Interval.Duration = 10 * time.Minute
			obj.Spec.RetryInterval = &metav1.Duration{Duration: test.retry}
			timing := Timing{MinRetry: time.Second, MaxRetry: time.Minute}
			v := settle(obj, test.end, reconcilers.Options{FailureReason: "ReconciliationFailed"}, timing, test.failures, today)

			if diff := cmp.Diff(test.want, summary(obj.Status.Conditions)); diff != "" {
				t.Errorf("conditions (-want +got): %s", diff)
			}
			if obj.Status.ObservedGeneration != test.wantSeen {
				t.Errorf("observed generation %d, want %d", obj.Status.ObservedGeneration, test.wantSeen)
			}
			if v.after != test.after || v.failures != test.count || v.cold != test.cold || v.always != test.always {
				t.Errorf("after %s, %d failures, cold %t, always %t; want %s, %d, %t, %t",
					v.after, v.failures, v.cold, v.always, test.after, test.count, test.cold, test.always)
			}
			if got := factOf(v.fact); got != test.fact {
				t.Errorf("fact %q, want %q", got, test.fact)
			}
		})
	}
}

// observing has conditions speak of a generation.
func observing(generation int64, list []metav1.Condition) []metav1.Condition {
	for i := range list {
		list[i].ObservedGeneration = generation
	}
	return list
}

func factOf(f *events.Fact) string {
	if f == nil {
		return ""
	}
	return string(f.Severity) + " " + f.Reason
}

// What is said again is not said anew: a repeated failure changes nothing, so that
// nothing is written.
func TestSettlingAgainChangesNothing(t *testing.T) {
	endings := map[string]ending{
		"ready":     {result: reconcilers.Result{Reason: "Succeeded", Message: "done"}},
		"stalled":   {err: fault.Stalled("URLInvalid", errBroken)},
		"waiting":   {err: fault.Waiting("DependencyNotReady", errBroken, time.Minute)},
		"failed":    {err: errBroken},
		"summed up": {result: reconcilers.Result{Reason: "Succeeded", Message: "done", Summary: &fault.Summary{Status: "False", Reason: "TestFailed"}}},
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			obj := repository("it")
			obj.Generation = 2
			settle(obj, end, reconcilers.Options{FailureReason: "Failed"}, Timing{}, 0, longAgo)
			first := obj.DeepCopy()
			settle(obj, end, reconcilers.Options{FailureReason: "Failed"}, Timing{}, 1, today)
			if patch, err := statusPatch(first, obj); err != nil || patch != nil {
				t.Errorf("the second run would write %s (%v)", patch, err)
			}
			for _, c := range obj.Status.Conditions {
				if c.ObservedGeneration != 2 {
					t.Errorf("%s speaks of generation %d, want 2", c.Type, c.ObservedGeneration)
				}
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	timing := Timing{MinRetry: 750 * time.Millisecond, MaxRetry: 15 * time.Minute}
	tests := map[int]time.Duration{
		0: 750 * time.Millisecond, 1: 750 * time.Millisecond, 2: 1500 * time.Millisecond, 3: 3 * time.Second,
		11: 768 * time.Second, 12: 15 * time.Minute, 1 << 30: 15 * time.Minute,
	}
	for failures, want := range tests {
		if got := timing.backoff(failures); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
}

// However long the API server was ill, it is not long after that until an object runs. What
// is wrong for other reasons, and an error of the network on the way to others, may be
// wrong for longer.
func TestBackoffWhileTheServerIsUnwell(t *testing.T) {
	timing := Timing{MinRetry: time.Second, MaxRetry: 15 * time.Minute}
	away := apierrors.NewServiceUnavailable("etcd has no leader")
	tests := map[string]struct {
		err        error
		onlyServer bool
		failures   int
		after      time.Duration
		count      int
	}{
		"at first":                {fault.Backoff("StateError", away), true, 2, 4 * time.Second, 3},
		"for a while":             {fault.Backoff("StateError", away), true, 5, 30 * time.Second, 5},
		"not classified":          {away, true, 5, 30 * time.Second, 5},
		"after other failures":    {fault.Backoff("StateError", away), true, 9, 30 * time.Second, 9},
		"something else":          {fault.Backoff("StateError", errBroken), true, 5, 32 * time.Second, 6},
		"on the way to who knows": {fault.Backoff("StateError", away), false, 5, 32 * time.Second, 6},
		"as the object says":      {fault.Failed("BuildFailed", away), true, 5, 10 * time.Minute, 6},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := app("it")
			obj.Spec.RetryInterval = &metav1.Duration{Duration: 10 * time.Minute}
			v := settle(obj, ending{err: test.err}, reconcilers.Options{AsksServerOnly: test.onlyServer}, timing, test.failures, today)
			if v.after != test.after || v.failures != test.count {
				t.Errorf("after %s, %d failures; want %s, %d", v.after, v.failures, test.after, test.count)
			}
		})
	}
}

func TestInterval(t *testing.T) {
	tests := map[string]struct {
		interval  time.Duration
		jitter    float64
		low, high time.Duration
	}{
		"none":           {0, 0.05, never, never},
		"negative":       {-time.Second, 0.05, never, never},
		"without jitter": {10 * time.Minute, 0, 10 * time.Minute, 10 * time.Minute},
		"with jitter":    {10 * time.Minute, 0.05, 9*time.Minute + 30*time.Second, 10*time.Minute + 30*time.Second},
		"much jitter":    {10 * time.Minute, 0.99, 6 * time.Second, 20 * time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := repository("it")
			obj.Spec.Interval.Duration = test.interval
			s := settlement{obj: obj, timing: Timing{Jitter: test.jitter}}
			least, most := s.interval(), s.interval()
			for range 2000 {
				d := s.interval()
				if d < test.low || d > test.high {
					t.Fatalf("%s is not between %s and %s", d, test.low, test.high)
				}
				least, most = min(least, d), max(most, d)
			}
			if spread := test.high - test.low; most-least < spread/2 {
				t.Errorf("2000 intervals are between %s and %s: they do not spread", least, most)
			}
		})
	}
}
