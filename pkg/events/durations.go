package events

import (
	"sort"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// durations is the histogram gotk_reconcile_duration_seconds. A histogram of the
// library costs more than a kilobyte, and there is one for every object: this one
// keeps bare counts and becomes histograms when somebody scrapes.
type durations struct {
	desc *prometheus.Desc
	// bounds are the upper bounds of the buckets, in seconds. The bucket without
	// bound is not among them.
	bounds [10]float64

	mu     sync.Mutex // guards the field below
	counts map[series]*spread
}

// series is the object that a time series is about.
type series struct{ kind, namespace, name string }

// spread counts runs by how long they took.
type spread struct {
	buckets [10]uint32
	count   uint32
	sum     float64 // seconds
}

func newDurations() *durations {
	d := &durations{
		desc: prometheus.NewDesc("gotk_reconcile_duration_seconds",
			"How long the runs of an object took.", []string{"kind", "name", "namespace"}, nil),
		counts: make(map[series]*spread),
	}
	copy(d.bounds[:], prometheus.ExponentialBucketsRange(0.01, 1800, len(d.bounds)))
	return d
}

func (d *durations) observe(of series, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.counts[of]
	if !ok {
		s = &spread{}
		d.counts[of] = s
	}
	s.count++
	s.sum += took.Seconds()
	if i := sort.SearchFloat64s(d.bounds[:], took.Seconds()); i < len(s.buckets) {
		s.buckets[i]++
	}
}

func (d *durations) drop(of series) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.counts, of)
}

// Describe implements [prometheus.Collector].
func (d *durations) Describe(c chan<- *prometheus.Desc) { c <- d.desc }

// Collect implements [prometheus.Collector].
func (d *durations) Collect(c chan<- prometheus.Metric) {
	for of, s := range d.snapshot() {
		buckets, sum := make(map[float64]uint64, len(d.bounds)), uint64(0)
		for i, bound := range d.bounds {
			sum += uint64(s.buckets[i])
			buckets[bound] = sum
		}
		c <- prometheus.MustNewConstHistogram(d.desc, uint64(s.count), s.sum, buckets, of.kind, of.name, of.namespace)
	}
}

// snapshot copies the counts, so that a slow scrape holds up no run.
func (d *durations) snapshot() map[series]spread {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[series]spread, len(d.counts))
	for of, s := range d.counts {
		out[of] = *s
	}
	return out
}
