package transport_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fluxd/fluxd/pkg/transport"
)

// TestConnectionsAreKept sends rounds of requests at once, and counts the connections
// of all rounds.
func TestConnectionsAreKept(t *testing.T) {
	const parallel, rounds = 16, 5
	var opened atomic.Int32
	var round sync.WaitGroup
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		round.Done()
		round.Wait() // all of the round are here
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	tr := transport.NewHosts().Transport(transport.Options{Parallel: parallel})
	defer tr.Close()
	for range rounds {
		round.Add(parallel)
		var group sync.WaitGroup
		for range parallel {
			group.Go(func() {
				if _, err := get(t.Context(), transport.NewClient(tr), s.URL); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	if got := opened.Load(); got > parallel+rounds {
		t.Errorf("%d requests took %d connections, want about %d", parallel*rounds, got, parallel)
	}
}
