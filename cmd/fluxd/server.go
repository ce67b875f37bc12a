package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/fluxd/fluxd/pkg/engine"
	"github.com/fluxd/fluxd/pkg/events"
)

// server answers probes and serves metrics and artifacts.
type server struct {
	log       logr.Logger
	metrics   *events.Metrics
	ready     atomic.Bool
	listeners map[net.Listener]http.Handler
	api       *http.ServeMux // what callers who were let in may ask for
	thrift    *thrift
}

// newServer opens the addresses, so that one that is taken is an error at the
// start.
func newServer(o *options, log logr.Logger) (*server, error) {
	s := &server{
		log: log, metrics: events.NewMetrics(), listeners: make(map[net.Listener]http.Handler),
		api: http.NewServeMux(), thrift: &thrift{release: new(heap).release},
	}
	probes := http.NewServeMux()
	probes.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	probes.HandleFunc("/readyz", s.readyz)
	if err := s.listen("--health-addr", o.healthAddr, probes); err != nil {
		return nil, err
	}
	metrics := http.NewServeMux()
	metrics.Handle("/metrics", s.metrics.Handler())
	if o.pprof {
		metrics.HandleFunc("/debug/pprof/", pprof.Index)
		metrics.HandleFunc("/debug/pprof/profile", pprof.Profile)
		metrics.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return s, s.listen("--metrics-addr", o.metricsAddr, metrics)
}

func (s *server) listen(flag, address string, handler http.Handler) error {
	if address == "" || address == "0" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	s.listeners[l] = handler
	return nil
}

func (s *server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		http.Error(w, "the first listing of the objects to reconcile is not complete", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// standby makes the process ready although it does not work: it waits for the
// Lease that another holds.
func (s *server) standby() { s.ready.Store(true) }

// readyAfter makes the process ready once listed is closed.
func (s *server) readyAfter(ctx context.Context, listed <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-listed:
		s.ready.Store(true)
	}
}

// drain is how long answers under way may take when the process is told to stop.
const drain = 3 * time.Second

// run serves until ctx ends.
func (s *server) run(ctx context.Context) error {
	servers := make([]*http.Server, 0, len(s.listeners))
	failed := make(chan error, len(s.listeners))
	for l, handler := range s.listeners {
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second}
		servers = append(servers, server)
		go func() { failed <- server.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
	}
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	for _, server := range servers {
		if server.Shutdown(goodbye) != nil {
			_ = server.Close() // whoever is still being served was told to be quick
		}
	}
	return err
}

// observer is told what the engine does.
func (s *server) observer() engine.Observer {
	return observer{metrics: s.metrics, thrift: s.thrift}
}
