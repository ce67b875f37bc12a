package events

import "github.com/prometheus/client_golang/prometheus"

// TokenUse is what a cache of credentials holds at one moment, and what came of it.
type TokenUse struct {
	// Items are kept now.
	Items int
	// Successes and Failures say how requests ended that the cache had no answer for,
	// Evictions how many credentials went before their time.
	Successes, Failures, Evictions uint64
}

// TokenAsked counts a request for credentials on behalf of an object, and whether the
// cache had them.
func (m *Metrics) TokenAsked(kind, namespace, name, operation string, hit bool) {
	event := "cache_miss"
	if hit {
		event = "cache_hit"
	}
	m.tokens.WithLabelValues(event, kind, name, namespace, operation).Inc()
}

// Tokens adds the metrics of the cache of credentials. Use is asked at every scrape.
func (m *Metrics) Tokens(use func() TokenUse) {
	m.Gauge("gotk_token_cached_items", "Credentials of clouds that are kept.",
		func() float64 { return float64(use().Items) })
	m.Counter("gotk_token_cache_evictions_total", "Credentials of clouds that went before their time for want of room.",
		func() float64 { return float64(use().Evictions) })
	m.registry.MustRegister(ended{use: use, desc: prometheus.NewDesc("gotk_token_cache_requests_total",
		"Requests for credentials of clouds that the cache had no answer for, by how they ended.", []string{"status"}, nil)})
}

// ended reads how requests ended at every scrape.
type ended struct {
	use  func() TokenUse
	desc *prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (e ended) Describe(c chan<- *prometheus.Desc) { c <- e.desc }

// Collect implements [prometheus.Collector].
func (e ended) Collect(c chan<- prometheus.Metric) {
	use := e.use()
	for status, count := range map[string]uint64{"success": use.Successes, "failure": use.Failures} {
		c <- prometheus.MustNewConstMetric(e.desc, prometheus.CounterValue, float64(count), status)
	}
}
