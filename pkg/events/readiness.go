package events

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// readiness is the metric fluxd_resource_ready: whether each object was ready after
// its last run. Clusters without a collector of custom resources can alert on it.
type readiness struct {
	desc *prometheus.Desc

	mu    sync.Mutex // guards ready
	ready map[series]bool
}

func newReadiness() *readiness {
	return &readiness{
		desc: prometheus.NewDesc("fluxd_resource_ready",
			"Whether the object was ready after its last run: 1 if it was, else 0.", []string{"kind", "name", "namespace"}, nil),
		ready: make(map[series]bool),
	}
}

func (r *readiness) observe(of series, status metav1.ConditionStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready[of] = status == metav1.ConditionTrue
}

func (r *readiness) drop(of series) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ready, of)
}

// Describe implements [prometheus.Collector].
func (r *readiness) Describe(c chan<- *prometheus.Desc) { c <- r.desc }

// Collect implements [prometheus.Collector].
func (r *readiness) Collect(c chan<- prometheus.Metric) {
	for of, ready := range r.snapshot() {
		value := 0.0
		if ready {
			value = 1
		}
		c <- prometheus.MustNewConstMetric(r.desc, prometheus.GaugeValue, value, of.kind, of.name, of.namespace)
	}
}

// snapshot copies what is known, so that a slow scrape holds up no run.
func (r *readiness) snapshot() map[series]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.ready)
}
