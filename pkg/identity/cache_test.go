package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/identity"
)

func TestCredentialsAreKeptForMostOfTheirLife(t *testing.T) {
	tests := map[string]struct {
		life, most time.Duration
		size       int
		// after says when they are asked for again, and whether they are new.
		after time.Duration
		again bool
	}{
		"before 80 % of their life":  {life: 10 * time.Minute, size: 1, after: 8*time.Minute - time.Second},
		"after 80 % of their life":   {life: 10 * time.Minute, size: 1, after: 8 * time.Minute, again: true},
		"before an hour":             {life: 12 * time.Hour, size: 1, after: time.Hour - time.Second},
		"after an hour":              {life: 12 * time.Hour, size: 1, after: time.Hour, again: true},
		"a bound above an hour":      {life: 12 * time.Hour, most: 5 * time.Hour, size: 1, after: time.Hour, again: true},
		"before a bound":             {life: time.Hour, most: time.Minute, size: 1, after: time.Minute - time.Second},
		"after a bound":              {life: time.Hour, most: time.Minute, size: 1, after: time.Minute, again: true},
		"at once if nothing is kept": {life: time.Hour, size: 0, again: true},
		"ended when they came":       {life: -time.Minute, size: 1, again: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *identity.Options) { o.CacheSize, o.CacheTime = test.size, test.most })
			w.fake.Life = test.life
			first, err := w.AzureToken(t.Context(), identity.Request{}, identity.ScopeStorage)
			if err != nil {
				t.Fatal(err)
			}
			w.clock = w.clock.Add(test.after)
			second, err := w.AzureToken(t.Context(), identity.Request{}, identity.ScopeStorage)
			if err != nil {
				t.Fatal(err)
			}
			if again := first.Value != second.Value; again != test.again {
				t.Errorf("new credentials: %t, want %t", again, test.again)
			}
		})
	}
}

// Nobody gets the credentials of another, and an edit of a ServiceAccount counts
// at once.
func TestCredentialsAreOfThoseWhoAsk(t *testing.T) {
	w := newWorld(t, func(o *identity.Options) { o.CacheSize = 100 })
	annotations := map[string]string{"azure.workload.identity/tenant-id": "t", "azure.workload.identity/client-id": "c"}
	for _, name := range []string{"a/sa", "b/sa", "a/other"} {
		w.fake.Annotations[name] = annotations
	}
	seen := make(map[string]string)
	ask := func(name string, r identity.Request, scope string) {
		t.Helper()
		token, err := w.AzureToken(t.Context(), r, scope)
		if err != nil {
			t.Fatal(err)
		}
		if twin, ok := seen[token.Value]; ok {
			t.Errorf("%s gets the token of %s", name, twin)
		}
		seen[token.Value] = name
	}
	ask("the process", identity.Request{}, identity.ScopeStorage)
	ask("the process of a namespace that has nothing to say", identity.Request{Proxy: &url.URL{Host: "p"}}, identity.ScopeStorage)
	ask("another proxy user", identity.Request{Proxy: &url.URL{Host: "p", User: url.UserPassword("a", "b")}}, identity.ScopeStorage)
	ask("another scope", identity.Request{}, identity.ScopeDevOps)
	ask("a/sa", identity.Request{Namespace: "a", ServiceAccount: "sa"}, identity.ScopeStorage)
	ask("b/sa", identity.Request{Namespace: "b", ServiceAccount: "sa"}, identity.ScopeStorage)
	ask("a/other", identity.Request{Namespace: "a", ServiceAccount: "other"}, identity.ScopeStorage)
	w.fake.Annotations["a/sa"] = map[string]string{"azure.workload.identity/tenant-id": "t", "azure.workload.identity/client-id": "c2"}
	ask("a/sa after an edit", identity.Request{Namespace: "a", ServiceAccount: "sa"}, identity.ScopeStorage)
}

func TestTheMostRecentlyUsedAreKept(t *testing.T) {
	w := newWorld(t, func(o *identity.Options) { o.CacheSize = 2 })
	ask := func(scope string) string {
		token, err := w.AzureToken(t.Context(), identity.Request{}, scope)
		if err != nil {
			t.Fatal(err)
		}
		return token.Value
	}
	a, b := ask("a"), ask("b")
	if ask("a") != a {
		t.Error("a is not kept")
	}
	ask("c") // b goes
	if ask("a") != a || ask("b") == b {
		t.Error("what was used least recently is not what went")
	}
	if diff := cmp.Diff(identity.Stats{Items: 2, Hits: 2, Misses: 4, Successes: 4, Evictions: 2}, w.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestEventsNameTheObject(t *testing.T) {
	var events []string
	w := newWorld(t, func(o *identity.Options) {
		o.Event = func(o identity.Object, hit bool) { events = append(events, fmt.Sprint(o, hit)) }
	})
	r := identity.Request{For: identity.Object{Kind: "Bucket", Namespace: "apps", Name: "data", Operation: "reconcile"}}
	for range 2 {
		if _, err := w.AzureToken(t.Context(), r, identity.ScopeStorage); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"{Bucket apps data reconcile} false", "{Bucket apps data reconcile} true"}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// transport answers every call itself.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	rec := &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody}
	rec.Body = readCloser{strings.NewReader(body)}
	return rec
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestOneCallServesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, gate := 0, make(chan struct{})
		clouds := identity.New(identity.Options{
			CacheSize: 1, Env: func(string) string { return "" },
			Transport: func(*url.URL) http.RoundTripper {
				return transport(func(r *http.Request) (*http.Response, error) {
					calls++
					<-gate
					return answer(200, `{"access_token":"x","expires_in":3600}`), r.Context().Err()
				})
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		var impatient error
		var waiting sync.WaitGroup
		waiting.Go(func() { _, impatient = clouds.AzureToken(ctx, identity.Request{}, "s") })
		synctest.Wait()
		for range 20 {
			waiting.Go(func() {
				if token, err := clouds.AzureToken(t.Context(), identity.Request{}, "s"); err != nil || token.Value != "x" {
					t.Errorf("got %+v, %v", token, err)
				}
			})
		}
		synctest.Wait()
		cancel() // the first one leaves; the call goes on for the others
		synctest.Wait()
		close(gate)
		waiting.Wait()
		if calls != 1 || !errors.Is(impatient, context.Canceled) {
			t.Errorf("%d calls; who left got %v", calls, impatient)
		}
	})
}

func TestCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clouds := identity.New(identity.Options{
			CacheSize: 1, Env: func(string) string { return "" },
			Transport: func(*url.URL) http.RoundTripper {
				return transport(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
			},
		})
		start := time.Now()
		_, err := clouds.AzureToken(t.Context(), identity.Request{}, "s")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		if got := clouds.Stats(); got.Failures != 1 || got.Items != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestAPanicIsAnError(t *testing.T) {
	clouds := identity.New(identity.Options{
		Env:       func(string) string { return "" },
		Transport: func(*url.URL) http.RoundTripper { panic("no network") },
	})
	if _, err := clouds.AzureToken(t.Context(), identity.Request{}, "s"); err == nil {
		t.Error("no error")
	}
}
