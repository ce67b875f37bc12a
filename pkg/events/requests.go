package events

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	clientmetrics "k8s.io/client-go/tools/metrics"
)

// CountRequests has every request that client-go makes from now on counted in
// rest_client_requests_total. The hook of client-go is one for the process and can
// be set once: only the first call, of whichever Metrics, has an effect.
func (m *Metrics) CountRequests() {
	clientmetrics.Register(clientmetrics.RegisterOpts{RequestResult: requestResult{m.requests}})
}

type requestResult struct{ counts *prometheus.CounterVec }

// Increment implements [clientmetrics.ResultMetric].
func (r requestResult) Increment(_ context.Context, code, method, host string) {
	r.counts.WithLabelValues(code, method, host).Inc()
}
