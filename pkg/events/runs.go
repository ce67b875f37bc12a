package events

import (
	"sort"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// runs are the metrics that there are for every object: the histogram
// gotk_reconcile_duration_seconds, and fluxd_resource_ready, on which clusters without
// a collector of custom resources can alert. A histogram of the library costs more than
// a kilobyte: this keeps bare counts, which become histograms when somebody scrapes.
type runs struct {
	took, ready *prometheus.Desc
	// bounds are the upper bounds of the buckets, in seconds. The bucket without
	// bound is not among them.
	bounds [10]float64

	mu     sync.Mutex // guards the field below
	counts map[series]*spread
}

// series is the object that a time series is about.
type series struct{ kind, namespace, name string }

// spread counts the runs of an object by how long they took.
type spread struct {
	buckets [10]uint32
	count   uint32
	ready   bool    // after the last of them
	sum     float64 // seconds
}

func newRuns() *runs {
	labels := []string{"kind", "name", "namespace"}
	r := &runs{
		took: prometheus.NewDesc("gotk_reconcile_duration_seconds", "How long the runs of an object took.", labels, nil),
		ready: prometheus.NewDesc("fluxd_resource_ready",
			"Whether the object was ready after its last run: 1 if it was, else 0.", labels, nil),
		counts: make(map[series]*spread),
	}
	copy(r.bounds[:], prometheus.ExponentialBucketsRange(0.01, 1800, len(r.bounds)))
	return r
}

func (r *runs) observe(of series, took time.Duration, ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.counts[of]
	if !ok {
		s = &spread{}
		r.counts[of] = s
	}
	s.count++
	s.ready = ready
	s.sum += took.Seconds()
	if i := sort.SearchFloat64s(r.bounds[:], took.Seconds()); i < len(s.buckets) {
		s.buckets[i]++
	}
}

func (r *runs) drop(of series) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.counts, of)
}

// Describe implements [prometheus.Collector].
func (r *runs) Describe(c chan<- *prometheus.Desc) { c <- r.took; c <- r.ready }

// Collect implements [prometheus.Collector].
func (r *runs) Collect(c chan<- prometheus.Metric) {
	for of, s := range r.snapshot() {
		buckets, sum := make(map[float64]uint64, len(r.bounds)), uint64(0)
		for i, bound := range r.bounds {
			sum += uint64(s.buckets[i])
			buckets[bound] = sum
		}
		c <- prometheus.MustNewConstHistogram(r.took, uint64(s.count), s.sum, buckets, of.kind, of.name, of.namespace)
		value := 0.0
		if s.ready {
			value = 1
		}
		c <- prometheus.MustNewConstMetric(r.ready, prometheus.GaugeValue, value, of.kind, of.name, of.namespace)
	}
}

// snapshot copies the counts, so that a slow scrape holds up no run.
func (r *runs) snapshot() map[series]spread {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[series]spread, len(r.counts))
	for of, s := range r.counts {
		out[of] = *s
	}
	return out
}
