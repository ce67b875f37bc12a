package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

// serve runs a server on loopback and returns the addresses of its listeners by
// the path that each answers.
func serve(t *testing.T, o *options) (s *server, get func(path string) (int, string)) {
	t.Helper()
	s, err := newServer(o, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return s, func(path string) (int, string) {
		t.Helper()
		for l := range s.listeners {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode != http.StatusNotFound {
				return answer.StatusCode, string(body)
			}
		}
		return http.StatusNotFound, ""
	}
}

// A process is alive from the start, and ready once the first listing is complete
// or while it waits for the Lease.
func TestProbes(t *testing.T) {
	local := func() *options { return &options{healthAddr: "127.0.0.1:0", metricsAddr: "127.0.0.1:0"} }
	want := func(get func(string) (int, string), path string, code int) {
		t.Helper()
		if got, body := get(path); got != code {
			t.Errorf("%s: %d %s, want %d", path, got, body, code)
		}
	}
	s, get := serve(t, local())
	want(get, "/healthz", http.StatusOK)
	want(get, "/readyz", http.StatusServiceUnavailable)
	want(get, "/metrics", http.StatusOK)
	want(get, "/debug/pprof/", http.StatusNotFound)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.readyAfter(ended, make(chan struct{}))
	want(get, "/readyz", http.StatusServiceUnavailable)

	listed := make(chan struct{})
	close(listed)
	s.readyAfter(t.Context(), listed)
	want(get, "/readyz", http.StatusOK)

	s, get = serve(t, local())
	s.standby()
	want(get, "/readyz", http.StatusOK)

	o := local()
	o.pprof = true
	_, get = serve(t, o)
	want(get, "/debug/pprof/", http.StatusOK)
	if _, body := get("/metrics"); !strings.Contains(body, "go_goroutines") {
		t.Errorf("the metrics say nothing of the process: %.200s", body)
	}
}

func TestAddresses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = newServer(&options{healthAddr: "0", metricsAddr: taken.Addr().String()}, logr.Discard())
	var refused *net.OpError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "--metrics-addr") {
		t.Errorf("an address that is taken: %v", err)
	}
	s, err := newServer(&options{healthAddr: "0", metricsAddr: ""}, logr.Discard())
	if err != nil || len(s.listeners) != 0 {
		t.Errorf("%d listeners although all are switched off (%v)", len(s.listeners), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.run(ctx); err != nil {
		t.Error(err)
	}
}

// A listener that fails ends the process.
func TestFailingListener(t *testing.T) {
	s, err := newServer(&options{healthAddr: "127.0.0.1:0"}, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	for l := range s.listeners {
		l.Close()
	}
	if err := s.run(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
}
