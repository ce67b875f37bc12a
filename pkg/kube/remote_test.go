package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// far is a cluster on loopback and a clock.
type far struct {
	*httptest.Server
	*Remote
	asked atomic.Int32

	mu     sync.Mutex // guards the fields below
	now    time.Time
	answer http.HandlerFunc
}

// newFar returns a cluster that answers like an API server without any kinds.
func newFar(t *testing.T, change ...func(*RemoteOptions)) *far {
	t.Helper()
	f := &far{now: time.Unix(0, 0), answer: empty}
	f.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		f.asked.Add(1)
		f.mu.Lock()
		answer := f.answer
		f.mu.Unlock()
		answer(rw, req)
	}))
	t.Cleanup(f.Server.Close)
	o := RemoteOptions{Scheme: runtime.NewScheme(), UserAgent: "test", Now: func() time.Time {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.now
	}}
	for _, c := range change {
		c(&o)
	}
	var err error
	if f.Remote, err = NewRemote(&rest.Config{Host: f.URL, BearerToken: "t"}, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Remote.Close)
	return f
}

func empty(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(rw, `{"kind":"APIGroupDiscoveryList","items":[]}`) // the caller notices
}

func silent(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func (f *far) set(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *far) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// get reads a ConfigMap.
func (f *far) get(ctx context.Context) error {
	_, err := f.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("a").Get(ctx, "b", metav1.GetOptions{})
	return err
}

func TestContactAsksOnce(t *testing.T) {
	f := newFar(t)
	for range 3 {
		if err := f.Contact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.asked.Load(); n != 2 { // /api and /apis
		t.Errorf("%d requests", n)
	}
}

// While one finds out whether the cluster answers, the others do not wait for it.
func TestContactHoldsOneCaller(t *testing.T) {
	f := newFar(t)
	asked, go1 := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.set(func(rw http.ResponseWriter, req *http.Request) {
		once.Do(func() { close(asked) })
		<-go1
		empty(rw, req)
	})
	first := make(chan error, 1)
	go func() { first <- f.Contact(t.Context()) }()
	<-asked
	if err := f.Contact(t.Context()); !errors.Is(err, ErrContacting) {
		t.Errorf("got %v", err)
	}
	close(go1)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := f.Contact(t.Context()); err != nil {
		t.Error(err)
	}
}

// A cluster that is silent is left alone for a while, longer each time, and is found
// again.
func TestSilentCluster(t *testing.T) {
	f := newFar(t)
	f.set(silent)
	for _, wait := range []time.Duration{firstSilence, 2 * firstSilence, 4 * firstSilence} {
		before := f.asked.Load()
		for range 3 {
			err := f.Contact(t.Context())
			if _, ok := errors.AsType[*UnreachableError](err); !ok {
				t.Fatalf("got %v", err)
			}
		}
		if err := f.get(t.Context()); err == nil || !strings.Contains(err.Error(), "the cluster does not answer") {
			t.Errorf("got %v", err)
		}
		if n := f.asked.Load() - before; n != 1 {
			t.Errorf("%d requests", n)
		}
		f.pass(wait)
	}
	f.set(empty)
	if err := f.Contact(t.Context()); err != nil {
		t.Error(err)
	}
	f.set(silent)
	if err := f.get(t.Context()); err == nil {
		t.Error("it answered")
	}
	before := f.asked.Load()
	if err := f.Contact(t.Context()); err == nil || f.asked.Load() != before {
		t.Errorf("asked again at once, error %v", err)
	}
}

// Whoever gives up has learned nothing about the cluster.
func TestCancelledRequest(t *testing.T) {
	f := newFar(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.set(func(_ http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	})
	if err := f.get(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	f.set(empty)
	if err := f.Contact(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a hostile server may say.
func TestHostileAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"a redirect": {func(rw http.ResponseWriter, req *http.Request) {
			http.Redirect(rw, req, "/elsewhere", http.StatusTemporaryRedirect)
		}, "which is not followed"},
		"to wait for an hour": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "3600")
			rw.WriteHeader(http.StatusTooManyRequests)
		}, ""},
		"the page of something else": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(rw, "swordfish") // the caller notices
		}, ""},
		"a page without an end": {func(rw http.ResponseWriter, req *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			block := make([]byte, 1<<20)
			for req.Context().Err() == nil {
				if _, err := rw.Write(block); err != nil {
					return
				}
			}
		}, "too large"},
		"nonsense": {func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, "<swordfish>") // the caller notices
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFar(t)
			f.set(c.answer)
			err := f.Contact(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "swordfish") {
				t.Errorf("got %v", err)
			}
			if n := f.asked.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
			if err := f.get(t.Context()); err != nil && strings.Contains(err.Error(), "swordfish") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRemoteAs(t *testing.T) {
	f := newFar(t)
	var user, token atomic.Value
	f.set(func(_ http.ResponseWriter, req *http.Request) {
		user.Store(req.Header.Get("Impersonate-User"))
		token.Store(req.Header.Get("Authorization"))
		panic(http.ErrAbortHandler)
	})
	as, err := f.As("system:serviceaccount:a:b")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = as.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "x"}).Get(t.Context(), "y", metav1.GetOptions{}) // it is cut off
	if user.Load() != "system:serviceaccount:a:b" || token.Load() != "Bearer t" {
		t.Errorf("user %v, token %v", user.Load(), token.Load())
	}
	if err := f.Contact(t.Context()); err == nil {
		t.Error("the failure is not shared")
	}
}

// A token is asked for at every request, and a failure to get one says nothing of
// the cluster.
func TestTokens(t *testing.T) {
	n := 0
	failing := errors.New("no token today")
	f := newFar(t, func(o *RemoteOptions) {
		o.Token = func(context.Context) (string, error) {
			n++
			if n == 1 {
				return "", failing
			}
			return fmt.Sprint("token-", n), nil
		}
	})
	var last atomic.Value
	f.set(func(rw http.ResponseWriter, req *http.Request) {
		last.Store(req.Header.Get("Authorization"))
		empty(rw, req)
	})
	if err := f.Contact(t.Context()); !errors.Is(err, failing) {
		t.Errorf("got %v", err)
	}
	if err := f.Contact(t.Context()); err != nil || last.Load() != "Bearer token-3" {
		t.Errorf("error %v, last %v", err, last.Load())
	}
}

func TestPaceEndsWithFairness(t *testing.T) {
	f := newFar(t)
	if f.link.pace.fair.Load() {
		t.Error("nobody has said that")
	}
	f.set(func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set(fairHeader, "x")
		empty(rw, req)
	})
	if err := f.Contact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if !f.link.pace.TryAccept() {
			t.Fatal("it is limited")
		}
	}
}
