package events

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Metrics counts what the process does, under the names that the dashboards of
// Flux query. Those of stock Flux which stock Flux registers and never fills
// (gotk_reconcile_condition and gotk_suspend_status) are not there.
type Metrics struct {
	registry *prometheus.Registry
	runs     *runs
	total    *prometheus.CounterVec
	errors   *prometheus.CounterVec
	times    *prometheus.HistogramVec
	active   *prometheus.GaugeVec
	workers  *prometheus.GaugeVec
	requests *prometheus.CounterVec
	received *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	leading  *prometheus.GaugeVec
	lost     prometheus.Counter
	queues   *queues
}

// NewMetrics returns metrics in a registry of their own, those of the Go runtime
// and the process among them.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		runs:     newRuns(),
		total: counters("controller_runtime_reconcile_total",
			"Runs of reconcilers, by how they ended.", "controller", "result"),
		errors: counters("controller_runtime_reconcile_errors_total",
			"Runs of reconcilers that failed.", "controller"),
		times: histograms("controller_runtime_reconcile_time_seconds",
			"How long runs of reconcilers took.", "controller"),
		active: gauges("controller_runtime_active_workers",
			"Workers that hold an object.", "controller"),
		workers: gauges("controller_runtime_max_concurrent_reconciles",
			"Workers, and so objects that can be reconciled at once.", "controller"),
		requests: counters("rest_client_requests_total",
			"Requests to API servers, by status code, method and host.", "code", "method", "host"),
		received: counters("fluxd_source_received_bytes_total",
			"Bytes that came over the network for a source.", "kind", "namespace", "name"),
		tokens: counters("gotk_token_cache_events_total",
			"Requests for credentials of clouds, by whether the cache had them.", "event_type", "kind", "name", "namespace", "operation"),
		leading: gauges("leader_election_master_status",
			"Whether this process holds the Lease: 1 if it does, 0 if another may.", "name"),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fluxd_lost_wakeups_total",
			Help: "Objects that nothing would have woken, found and revived. Anything but 0 is a defect.",
		}),
		queues: newQueues(),
	}
	m.registry.MustRegister(m.runs, m.total, m.errors, m.times, m.active, m.workers, m.requests, m.received, m.tokens, m.leading, m.lost,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.queues.all()...)
	return m
}

// Handler serves the metrics in the formats that Prometheus asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 30 * time.Second})
}

// Reconciled is told of a run of an object, of how long it took and of the status
// of its Ready condition afterwards.
func (m *Metrics) Reconciled(kind, namespace, name string, took time.Duration, ready metav1.ConditionStatus) {
	controller := strings.ToLower(kind)
	of := series{kind: kind, namespace: namespace, name: name}
	m.runs.observe(of, took, ready == metav1.ConditionTrue)
	m.times.WithLabelValues(controller).Observe(took.Seconds())
	result := "requeue"
	switch ready {
	case metav1.ConditionTrue:
		result = "success"
	case metav1.ConditionFalse:
		result = "error"
		m.errors.WithLabelValues(controller).Inc()
	}
	m.total.WithLabelValues(controller, result).Inc()
}

// Forgotten drops the series of an object that is no more.
func (m *Metrics) Forgotten(kind, namespace, name string) {
	of := series{kind: kind, namespace: namespace, name: name}
	m.runs.drop(of)
	m.received.DeleteLabelValues(kind, namespace, name)
	m.tokens.DeletePartialMatch(prometheus.Labels{"kind": kind, "namespace": namespace, "name": name})
}

// Received counts bytes that came over the network for a source.
func (m *Metrics) Received(kind, namespace, name string, bytes int64) {
	m.received.WithLabelValues(kind, namespace, name).Add(float64(bytes))
}

// results are the ways in which a run can end, by the words of controller-runtime.
var results = []string{"success", "error", "requeue", "requeue_after"}

// Workers says how many workers a kind has. Its counters begin at zero from then on, so
// that a rate of errors is known before there was one.
func (m *Metrics) Workers(kind string, n int) {
	controller := strings.ToLower(kind)
	m.workers.WithLabelValues(controller).Set(float64(n))
	m.active.WithLabelValues(controller)
	m.errors.WithLabelValues(controller)
	for _, result := range results {
		m.total.WithLabelValues(controller, result)
	}
}

// Working says that more workers of a kind hold an object, or fewer.
func (m *Metrics) Working(kind string, more int) {
	m.active.WithLabelValues(strings.ToLower(kind)).Add(float64(more))
}

// LostWakeup counts an object that nothing would have woken.
func (m *Metrics) LostWakeup() { m.lost.Inc() }

// Leading says whether this process holds the Lease of the given name.
func (m *Metrics) Leading(lease string, holds bool) {
	value := 0.0
	if holds {
		value = 1
	}
	m.leading.WithLabelValues(lease).Set(value)
}

// Gauge adds a metric whose value is asked for at every scrape. f must be safe to
// call from any goroutine. It panics if the name is taken or is none.
func (m *Metrics) Gauge(name, help string, f func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
}

// Counter adds a metric like [Metrics.Gauge], one that never falls.
func (m *Metrics) Counter(name, help string, f func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f))
}

// StoreUse is what the artifact store holds at one moment.
type StoreUse struct {
	// Bytes are in memory now, out of Budget.
	Bytes, Budget int64
	// Evictions is how many blobs or trees had to leave since the start.
	Evictions uint64
}

// Store adds the metrics of the artifact store.
func (m *Metrics) Store(use func() StoreUse) {
	m.Gauge("fluxd_artifact_bytes", "Memory that artifacts hold, in bytes.",
		func() float64 { return float64(use().Bytes) })
	m.Gauge("fluxd_artifact_budget_bytes", "Memory that artifacts may hold, in bytes.",
		func() float64 { return float64(use().Budget) })
	m.Counter("fluxd_artifact_evictions_total", "Evictions from the artifact store for want of budget.",
		func() float64 { return float64(use().Evictions) })
}

// ManagedObjects adds the number of cluster objects that inventories name.
func (m *Metrics) ManagedObjects(count func() int) {
	m.Gauge("fluxd_managed_objects", "Cluster objects under management.",
		func() float64 { return float64(count()) })
}

// Bus adds the number of facts that each observer of b has lost.
func (m *Metrics) Bus(b *Bus) {
	m.registry.MustRegister(dropped{bus: b, desc: prometheus.NewDesc("fluxd_dropped_facts_total",
		"Facts that an observer was too slow for.", []string{"observer"}, nil)})
}

// dropped reads the losses of a bus at every scrape.
type dropped struct {
	bus  *Bus
	desc *prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (d dropped) Describe(c chan<- *prometheus.Desc) { c <- d.desc }

// Collect implements [prometheus.Collector].
func (d dropped) Collect(c chan<- prometheus.Metric) {
	for observer, count := range d.bus.Dropped() {
		c <- prometheus.MustNewConstMetric(d.desc, prometheus.CounterValue, float64(count), observer)
	}
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

// histograms have buckets from a millisecond to a quarter of an hour.
func histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help,
		Buckets: []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900},
	}, labels)
}
