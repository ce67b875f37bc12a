package events

import (
	"context"
	"fmt"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scrape returns the samples whose name starts with prefix, sorted.
func scrape(t *testing.T, m *Metrics, prefix string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	var lines []string
	for line := range strings.SplitSeq(w.Body.String(), "\n") {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

func TestMetricsOfARun(t *testing.T) {
	m := NewMetrics()
	m.Reconciled("Kustomization", "flux-system", "apps", 20*time.Millisecond, metav1.ConditionTrue)
	m.Reconciled("Kustomization", "flux-system", "apps", 3*time.Second, metav1.ConditionFalse)
	m.Reconciled("Kustomization", "flux-system", "apps", time.Hour, metav1.ConditionUnknown)
	labels := `{kind="Kustomization",name="apps",namespace="flux-system"`
	want := []string{
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="+Inf"} 3`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="0.01"} 0`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="0.03836`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="0.14717`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="0.56462`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="122.30`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="1799.99`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="2.1660`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="31.879`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="469.19`,
		"gotk_reconcile_duration_seconds_bucket" + labels + `,le="8.3099`,
		"gotk_reconcile_duration_seconds_count" + labels + "} 3",
		"gotk_reconcile_duration_seconds_sum" + labels + "} 3603.02",
	}
	got := scrape(t, m, "gotk_reconcile_duration_seconds")
	if len(got) != len(want) {
		t.Fatalf("%d samples, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("sample %q, want %q", got[i], want[i])
		}
	}
	if diff := cmp.Diff([]string{
		`controller_runtime_reconcile_errors_total{controller="kustomization"} 1`,
		`controller_runtime_reconcile_total{controller="kustomization",result="error"} 1`,
		`controller_runtime_reconcile_total{controller="kustomization",result="requeue"} 1`,
		`controller_runtime_reconcile_total{controller="kustomization",result="success"} 1`,
	}, slices.DeleteFunc(scrape(t, m, "controller_runtime"), func(s string) bool { return strings.Contains(s, "_time_seconds") })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The last run counts, and what is neither ready nor failed is not ready.
func TestMetricsOfReadiness(t *testing.T) {
	m := NewMetrics()
	for name, runs := range map[string][]metav1.ConditionStatus{
		"good": {metav1.ConditionFalse, metav1.ConditionTrue}, "bad": {metav1.ConditionTrue, metav1.ConditionFalse},
		"open": {metav1.ConditionUnknown}, "gone": {metav1.ConditionTrue},
	} {
		for _, ready := range runs {
			m.Reconciled("Bucket", "a", name, time.Second, ready)
		}
	}
	m.Forgotten("Bucket", "a", "gone")
	if diff := cmp.Diff([]string{
		`fluxd_resource_ready{kind="Bucket",name="bad",namespace="a"} 0`,
		`fluxd_resource_ready{kind="Bucket",name="good",namespace="a"} 1`,
		`fluxd_resource_ready{kind="Bucket",name="open",namespace="a"} 0`,
	}, scrape(t, m, "fluxd_resource_ready")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMetricsForgetAnObject(t *testing.T) {
	m := NewMetrics()
	m.Reconciled("Bucket", "a", "x", time.Second, metav1.ConditionTrue)
	m.Reconciled("Bucket", "a", "y", time.Second, metav1.ConditionTrue)
	m.Forgotten("Bucket", "a", "x")
	m.Forgotten("Bucket", "a", "never-seen")
	if diff := cmp.Diff([]string{
		`gotk_reconcile_duration_seconds_count{kind="Bucket",name="y",namespace="a"} 1`,
	}, scrape(t, m, "gotk_reconcile_duration_seconds_count")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMetricsBuckets(t *testing.T) {
	d := newRuns()
	if d.bounds[0] != 0.01 || d.bounds[9] < 1799.9 || d.bounds[9] > 1800.1 {
		t.Errorf("bounds are %v", d.bounds)
	}
	of := series{"A", "b", "c"}
	d.observe(of, 10*time.Millisecond, true) // a bound belongs to its bucket
	if d.counts[of].buckets[0] != 1 {
		t.Error("10ms is not in the bucket up to 10ms")
	}
}

func TestMetricsOfWorkers(t *testing.T) {
	m := NewMetrics()
	m.Workers("Bucket", 4)
	m.Working("Bucket", 1)
	m.Working("Bucket", 1)
	m.Working("Bucket", -1)
	if diff := cmp.Diff([]string{
		`controller_runtime_active_workers{controller="bucket"} 1`,
		`controller_runtime_max_concurrent_reconciles{controller="bucket"} 4`,
		`controller_runtime_reconcile_errors_total{controller="bucket"} 0`,
		`controller_runtime_reconcile_total{controller="bucket",result="error"} 0`,
		`controller_runtime_reconcile_total{controller="bucket",result="requeue"} 0`,
		`controller_runtime_reconcile_total{controller="bucket",result="requeue_after"} 0`,
		`controller_runtime_reconcile_total{controller="bucket",result="success"} 0`,
	}, scrape(t, m, "controller_runtime_")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMetricsOfQueues(t *testing.T) {
	m := NewMetrics()
	q := m.Queues()
	q.NewDepthMetric("bucket").Inc()
	q.NewAddsMetric("bucket").Inc()
	q.NewRetriesMetric("bucket").Inc()
	q.NewLatencyMetric("bucket").Observe(0.5)
	q.NewWorkDurationMetric("bucket").Observe(0.5)
	q.NewUnfinishedWorkSecondsMetric("bucket").Set(2)
	q.NewLongestRunningProcessorSecondsMetric("bucket").Set(3)
	labels := `{controller="bucket",name="bucket"} `
	if diff := cmp.Diff([]string{
		"workqueue_adds_total" + labels + "1",
		"workqueue_depth" + labels + "1",
		"workqueue_longest_running_processor_seconds" + labels + "3",
		"workqueue_queue_duration_seconds_count" + labels + "1",
		"workqueue_queue_duration_seconds_sum" + labels + "0.5",
		"workqueue_retries_total" + labels + "1",
		"workqueue_unfinished_work_seconds" + labels + "2",
		"workqueue_work_duration_seconds_count" + labels + "1",
		"workqueue_work_duration_seconds_sum" + labels + "0.5",
	}, slices.DeleteFunc(scrape(t, m, "workqueue"), func(s string) bool { return strings.Contains(s, "_bucket{") })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMetricsOfTheProcess(t *testing.T) {
	m := NewMetrics()
	for _, name := range []string{
		"go_info", "go_memstats_alloc_bytes", "process_cpu_seconds_total", "process_resident_memory_bytes",
	} {
		if len(scrape(t, m, name)) == 0 {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestMetricsOfOurOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics()
		var bus Bus
		release := make(chan struct{})
		bus.Observe(t.Context(), "recorder", 1, func(context.Context, Fact) { <-release })
		m.Bus(&bus)
		m.Store(func() StoreUse { return StoreUse{Bytes: 10, Budget: 20, Evictions: 3} })
		m.ManagedObjects(func() int { return 7 })
		m.LostWakeup()
		m.Leading("fluxd-leader-election", true)
		requestResult{m.requests}.Increment(t.Context(), "200", "GET", "api")
		bus.Publish(Fact{})
		synctest.Wait()
		for range 3 {
			bus.Publish(Fact{})
		}
		if diff := cmp.Diff([]string{
			"fluxd_artifact_budget_bytes 20",
			"fluxd_artifact_bytes 10",
			"fluxd_artifact_evictions_total 3",
			`fluxd_dropped_facts_total{observer="recorder"} 2`,
			"fluxd_lost_wakeups_total 1",
			"fluxd_managed_objects 7",
			`leader_election_master_status{name="fluxd-leader-election"} 1`,
			`rest_client_requests_total{code="200",host="api",method="GET"} 1`,
		}, slices.Concat(scrape(t, m, "fluxd_"), scrape(t, m, "leader"), scrape(t, m, "rest_"))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		m.Leading("fluxd-leader-election", false)
		if got := scrape(t, m, "leader"); !strings.HasSuffix(got[0], " 0") {
			t.Errorf("after the loss: %v", got)
		}
		close(release)
		bus.Close(t.Context())
	})
}

func TestMetricsOfTokens(t *testing.T) {
	m := NewMetrics()
	m.Tokens(func() TokenUse { return TokenUse{Items: 2, Successes: 3, Failures: 1, Evictions: 4} })
	for _, hit := range []bool{false, true, true} {
		m.TokenAsked("Bucket", "apps", "one", "reconcile", hit)
	}
	m.TokenAsked("Bucket", "apps", "two", "reconcile", false)
	labels := `kind="Bucket",name="one",namespace="apps",operation="reconcile"} `
	two := `gotk_token_cache_events_total{event_type="cache_miss",kind="Bucket",name="two",namespace="apps",operation="reconcile"} 1`
	others := []string{
		"gotk_token_cache_evictions_total 4", `gotk_token_cache_requests_total{status="failure"} 1`,
		`gotk_token_cache_requests_total{status="success"} 3`, "gotk_token_cached_items 2",
	}
	want := append([]string{
		`gotk_token_cache_events_total{event_type="cache_hit",` + labels + "2",
		`gotk_token_cache_events_total{event_type="cache_miss",` + labels + "1", two,
	}, others...)
	if diff := cmp.Diff(want, scrape(t, m, "gotk_token")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.Forgotten("Bucket", "apps", "one")
	if diff := cmp.Diff(append([]string{two}, others...), scrape(t, m, "gotk_token")); diff != "" {
		t.Errorf("of an object that is no more (-want +got):\n%s", diff)
	}
}

func TestMetricsShareNothing(t *testing.T) {
	a, b := NewMetrics(), NewMetrics() // would panic in a shared registry
	a.LostWakeup()
	if got := scrape(t, b, "fluxd_lost"); got[0] != "fluxd_lost_wakeups_total 0" {
		t.Errorf("%v", got)
	}
}

// BenchmarkDurations shows what the duration metric of one object costs.
func BenchmarkDurations(b *testing.B) {
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("object-%d", i)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d := newRuns()
	for b.Loop() {
		for _, name := range names {
			d.observe(series{"Kustomization", "default", name}, time.Second, true)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(d.counts)), "bytes/object")
}
