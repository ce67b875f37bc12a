package events

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
)

// script answers requests from a list and keeps what it was sent.
type script struct {
	answers []any // a status code or an error
	bodies  []string
}

// RoundTrip implements [http.RoundTripper].
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, string(body))
	answer := any(http.StatusAccepted)
	if len(s.answers) > 0 {
		answer, s.answers = s.answers[0], s.answers[1:]
	}
	if err, bad := answer.(error); bad {
		return nil, err
	}
	return &http.Response{
		StatusCode: answer.(int), Status: http.StatusText(answer.(int)),
		Body: io.NopCloser(strings.NewReader("ok")), Request: r,
	}, nil
}

func scripted(answers ...any) (*Notifier, *script) {
	s := &script{answers: answers}
	n := NewNotifier("http://receiver.example", "fluxd-0", logr.Discard())
	n.client.Transport = s
	return n, s
}

func TestNotifierWireFormat(t *testing.T) {
	var body, contentType string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body, contentType = string(data), r.Header.Get("Content-Type")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	NewNotifier(server.URL, "fluxd-0", logr.Discard()).Handle(t.Context(), aFact())
	want := `{"involvedObject":{"kind":"Kustomization","namespace":"flux-system","name":"apps","uid":"u-1",` +
		`"apiVersion":"kustomize.toolkit.fluxcd.io/v1","resourceVersion":"7"},"severity":"info",` +
		`"timestamp":"2026-03-01T12:00:00Z","message":"Reconciliation finished","reason":"ReconciliationSucceeded",` +
		`"metadata":{"kustomize.toolkit.fluxcd.io/revision":"main@sha1:1"},` +
		`"reportingController":"kustomize-controller","reportingInstance":"fluxd-0"}`
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if contentType != "application/json" {
		t.Errorf("content type %q", contentType)
	}
}

func TestNotifierForwards(t *testing.T) {
	tests := map[string]struct {
		edit func(*Fact)
		want int
	}{
		"news":                             {func(*Fact) {}, 1},
		"failures":                         {func(f *Fact) { f.Severity = Error }, 1},
		"no trace":                         {func(f *Fact) { f.Severity = Trace }, 0},
		"nothing about the cluster scope":  {func(f *Fact) { f.Subject.Namespace = "" }, 0},
		"nothing about an object no name":  {func(f *Fact) { f.Subject.Name = "" }, 0},
		"nothing about an object no kind":  {func(f *Fact) { f.Subject.Kind = "" }, 0},
		"a message longer than is allowed": {func(f *Fact) { f.Message = strings.Repeat("x", 100_000) }, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n, s := scripted()
			n.Handle(t.Context(), aFact(tt.edit))
			if len(s.bodies) != tt.want {
				t.Errorf("%d requests, want %d", len(s.bodies), tt.want)
			}
			for _, body := range s.bodies {
				if len(body) > maxNotification+1000 {
					t.Errorf("a body has %d bytes", len(body))
				}
			}
		})
	}
}

func TestNotifierTriesAgain(t *testing.T) {
	away := errors.New("connection refused")
	tests := map[string]struct {
		answers  []any
		requests int
		took     time.Duration
	}{
		"success is the end":                        {[]any{202}, 1, 0},
		"an endpoint that is away for a moment":     {[]any{away, 503, 202}, 3, 3 * time.Second},
		"an endpoint that stays away is given up":   {[]any{away, away, away, away, away, 202}, 5, 15 * time.Second},
		"a duplicate is known there already":        {[]any{429, 202}, 1, 0},
		"a fact that is refused is not sent again":  {[]any{400, 202}, 1, 0},
		"nor is one for which there is no endpoint": {[]any{404, 202}, 1, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s := scripted(tt.answers...)
				started := time.Now()
				n.Handle(t.Context(), aFact())
				if diff := cmp.Diff([]any{tt.requests, tt.took}, []any{len(s.bodies), time.Since(started)}); diff != "" {
					t.Errorf("requests, time (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestNotifierStopsWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := scripted(errors.New("a"), errors.New("b"), errors.New("c"))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		n.Handle(ctx, aFact())
		if len(s.bodies) != 2 {
			t.Errorf("%d requests, want 2", len(s.bodies))
		}
	})
}

func TestNotifierAddressThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNotifier("http://[::1", "", logr.Discard())
		started := time.Now()
		n.Handle(t.Context(), aFact())
		if time.Since(started) != 0 {
			t.Error("an address that is none was tried again")
		}
	})
}

func TestNotifierTransportIsItsOwn(t *testing.T) {
	n := NewNotifier("http://receiver.example", "", logr.Discard())
	if n.client.Transport == nil || n.client.Transport == http.DefaultTransport || n.client.Timeout != 5*time.Second {
		t.Error("the notifier must have a transport of its own and a timeout")
	}
}
