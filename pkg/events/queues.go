package events

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/workqueue"
)

// queues is the family of metrics of work queues. Both labels, name and
// controller, have the name of the queue: dashboards query the one or the other.
type queues struct {
	depth, unfinished, longest *prometheus.GaugeVec
	adds, retries              *prometheus.CounterVec
	waits, work                *prometheus.HistogramVec
}

func newQueues() *queues {
	labels := []string{"name", "controller"}
	return &queues{
		depth:   gauges("workqueue_depth", "Objects that wait for a worker.", labels...),
		adds:    counters("workqueue_adds_total", "Objects that were queued.", labels...),
		retries: counters("workqueue_retries_total", "Objects that were queued again by a rate limiter.", labels...),
		waits:   histograms("workqueue_queue_duration_seconds", "How long objects waited for a worker.", labels...),
		work:    histograms("workqueue_work_duration_seconds", "How long workers held an object.", labels...),
		unfinished: gauges("workqueue_unfinished_work_seconds",
			"For how long all runs under way have been going, summed up.", labels...),
		longest: gauges("workqueue_longest_running_processor_seconds",
			"For how long the longest run under way has been going.", labels...),
	}
}

func (q *queues) all() []prometheus.Collector {
	return []prometheus.Collector{q.depth, q.adds, q.retries, q.waits, q.work, q.unfinished, q.longest}
}

// Queues returns what the work queues of client-go report to.
func (m *Metrics) Queues() workqueue.MetricsProvider { return m.queues }

// NewDepthMetric implements [workqueue.MetricsProvider].
func (q *queues) NewDepthMetric(name string) workqueue.GaugeMetric {
	return q.depth.WithLabelValues(name, name)
}

// NewAddsMetric implements [workqueue.MetricsProvider].
func (q *queues) NewAddsMetric(name string) workqueue.CounterMetric {
	return q.adds.WithLabelValues(name, name)
}

// NewLatencyMetric implements [workqueue.MetricsProvider].
func (q *queues) NewLatencyMetric(name string) workqueue.HistogramMetric {
	return q.waits.WithLabelValues(name, name)
}

// NewWorkDurationMetric implements [workqueue.MetricsProvider].
func (q *queues) NewWorkDurationMetric(name string) workqueue.HistogramMetric {
	return q.work.WithLabelValues(name, name)
}

// NewUnfinishedWorkSecondsMetric implements [workqueue.MetricsProvider].
func (q *queues) NewUnfinishedWorkSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return q.unfinished.WithLabelValues(name, name)
}

// NewLongestRunningProcessorSecondsMetric implements [workqueue.MetricsProvider].
func (q *queues) NewLongestRunningProcessorSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return q.longest.WithLabelValues(name, name)
}

// NewRetriesMetric implements [workqueue.MetricsProvider].
func (q *queues) NewRetriesMetric(name string) workqueue.CounterMetric {
	return q.retries.WithLabelValues(name, name)
}
