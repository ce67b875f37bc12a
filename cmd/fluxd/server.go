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
	listeners map[net.Listener]*http.Server
	failed    chan error     // what ended a listener
	api       *http.ServeMux // what callers who were let in may ask for
	thrift    *thrift
}

// maxListeners is how many addresses there may be.
const maxListeners = 8

// newServer opens the addresses, so that one that is taken is an error at the
// start, and answers from then on: a process that waits for the API server lives.
func newServer(o *options, log logr.Logger) (*server, error) {
	s := &server{
		log: log, metrics: events.NewMetrics(), listeners: make(map[net.Listener]*http.Server), failed: make(chan error, maxListeners),
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
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second}
	s.listeners[l] = server
	go func() { s.failed <- server.Serve(l) }()
	return nil
}

func (s *server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		http.Error(w, "the first listing of the objects to reconcile is not complete", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// standby makes the process ready although it does not work: it has found a Lease that
// another holds, and waits for it.
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

// run goes on until ctx ends or a listener fails, and ends what newServer began.
func (s *server) run(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.failed:
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
	}
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	for _, server := range s.listeners {
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
