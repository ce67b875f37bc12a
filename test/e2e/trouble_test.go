package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// trouble has a part of the answers of an API server go wrong, in all ways in which
// answers do: it is overloaded, its storage is away, something between it and its
// client cuts connections or swallows requests. Half of them are lost before the API
// server has the request, and the other half of some of them after it has carried it
// out. Watches are refused as often, and end early, in the middle of an event too.
type trouble struct {
	rate float64 // the part of the requests, up to 1

	mu    sync.Mutex // guards the fields below
	rand  *rand.Rand
	calls map[string]int // requests, by what became of them
}

func newTrouble(rate float64, seed uint64) *trouble {
	return &trouble{rate: rate, rand: rand.New(rand.NewPCG(seed, seed)), calls: map[string]int{}}
}

// injected is in the text of every fault that has one.
const injected = "injected by the test"

// status is an answer as an API server gives it.
func status(code int, reason, message string) func(http.ResponseWriter) {
	return func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(code)
		fmt.Fprint(rw, statusText(code, reason, message)) // whoever asked may be gone
	}
}

func statusText(code int, reason, message string) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code)
}

// proxied is an answer of something in between.
func proxied(code int, header ...string) func(http.ResponseWriter) {
	return func(rw http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		http.Error(rw, http.StatusText(code)+", "+injected, code)
	}
}

// answers are those that go wrong without a connection that is cut.
var answers = []struct {
	name string
	send func(http.ResponseWriter)
}{
	{"500", status(500, "InternalError", "Internal error occurred: "+injected)},
	{"500 of etcd", status(500, "", "etcdserver: request timed out, "+injected)},
	{"502", proxied(502)},
	{"503", status(503, "ServiceUnavailable", injected)},
	{"503 of a proxy", proxied(503)},
	{"504", status(504, "Timeout", "Timeout: request did not complete within requested timeout, "+injected)},
	{"429", proxied(429, "Retry-After", "1")},
}

// hang is how long a request that is swallowed is held before the connection is cut.
const hang = 3 * time.Second

// serve answers a request, or has next do so.
func (t *trouble) serve(rw http.ResponseWriter, req *http.Request, next http.Handler) {
	if req.URL.Query().Get("watch") != "" {
		t.watch(rw, req, next)
		return
	}
	if !t.hit() {
		t.note("answered")
		next.ServeHTTP(rw, req)
		return
	}
	switch n := t.pick(len(answers) + 5); {
	case n < len(answers):
		t.note(answers[n].name)
		answers[n].send(rw)
	case n == len(answers):
		t.note("reset")
		panic(http.ErrAbortHandler)
	case n == len(answers)+1:
		t.note("swallowed")
		t.stand(req.Context(), hang)
		panic(http.ErrAbortHandler)
	case n == len(answers)+2:
		t.note("answer cut")
		next.ServeHTTP(&scissors{ResponseWriter: rw, left: 100}, req)
	case n == len(answers)+3:
		t.note("answer lost")
		next.ServeHTTP(httptest.NewRecorder(), req)
		panic(http.ErrAbortHandler)
	default:
		t.note("answer replaced")
		next.ServeHTTP(httptest.NewRecorder(), req)
		status(500, "", "etcdserver: leader changed, "+injected)(rw)
	}
}

// watch refuses a watch, or has it end early.
func (t *trouble) watch(rw http.ResponseWriter, req *http.Request, next http.Handler) {
	if t.hit() {
		n := t.pick(len(answers))
		t.note("watch " + answers[n].name)
		answers[n].send(rw)
		return
	}
	t.note("watched")
	cut := &scissors{ResponseWriter: rw, left: 1 << 30}
	switch t.pick(6) {
	case 0:
		cut.left = t.pick(4000) // in the middle of an event
	case 1:
		cut.last = `{"type":"ERROR","object":` + statusText(410, "Expired", "too old resource version, "+injected) + "}\n"
	case 2:
		cut.last = `{"type":"ERROR","object":` + statusText(500, "InternalError", injected) + "}\n"
	}
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	clean := cut.last != "" || t.pick(2) == 0
	defer func() {
		cut.close()
		if recover() != nil && !clean {
			panic(http.ErrAbortHandler)
		}
	}()
	go func() {
		t.stand(ctx, time.Second+time.Duration(t.pick(15000))*time.Millisecond)
		cut.end()
		cancel()
	}()
	next.ServeHTTP(cut, req.WithContext(ctx))
}

// stand waits for some time, or until the request is given up.
func (t *trouble) stand(ctx context.Context, long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (t *trouble) hit() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rand.Float64() < t.rate
}

func (t *trouble) pick(n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rand.IntN(n)
}

func (t *trouble) note(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[what]++
}

// seen returns how many requests there were, and what became of them.
func (t *trouble) seen() (all int, calls string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.calls {
		all += n
	}
	return all, fmt.Sprint(t.calls)
}

// scissors cut an answer off after some bytes, or when they are told to, after some last
// words.
type scissors struct {
	http.ResponseWriter
	last string

	mu    sync.Mutex // guards the fields below
	left  int
	ended bool
}

// Write implements [http.ResponseWriter].
func (s *scissors) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		panic(http.ErrAbortHandler)
	}
	if len(p) <= s.left {
		s.left -= len(p)
		return s.ResponseWriter.Write(p)
	}
	_, _ = s.ResponseWriter.Write(p[:s.left])
	_ = http.NewResponseController(s.ResponseWriter).Flush() // it is cut anyway
	s.ended = true
	panic(http.ErrAbortHandler)
}

// Flush implements [http.Flusher].
func (s *scissors) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		_ = http.NewResponseController(s.ResponseWriter).Flush() // the next write tells
	}
}

// end says the last words.
func (s *scissors) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	_, _ = s.ResponseWriter.Write([]byte(s.last))
	_ = http.NewResponseController(s.ResponseWriter).Flush() // whoever listened may be gone
}

// close has nothing written any more.
func (s *scissors) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}
