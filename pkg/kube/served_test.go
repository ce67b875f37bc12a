package kube

import (
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServed(t *testing.T) {
	s := newServer()
	others, full := otherGroups, 0
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		etag := strconv.Quote(strconv.Itoa(len(others)))
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
		w.Header().Set("ETag", etag)
		full++
		body, ok := map[string]string{
			"/version": `{"major":"1","minor":"37+","gitVersion":"v1.37.2+edge"}`, "/api": coreGroup, "/apis": others,
		}[r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
		return ok
	}
	c := s.clients(t)
	got, err := c.Served(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Served{Version: "v1.37.2+edge", Major: "1", Minor: "37+", APIVersions: []string{
		"example.com/v1", "example.com/v1/Thing", "example.com/v2", "example.com/v2/Thing", "v1", "v1/Namespace", "v1/Secret",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("served (-want +got): %s", diff)
	}
	if again, err := c.Served(t.Context()); err != nil || !cmp.Equal(got, again) || full != 4 {
		t.Errorf("the second time, with %d whole answers: %+v, %v", full, again, err)
	}
	others = moreGroups
	if changed, err := c.Served(t.Context()); err != nil || !slices.Contains(changed.APIVersions, "example.com/v2/Gadget") {
		t.Errorf("after a change: %+v, %v", changed, err)
	}
}

func TestServedByNobody(t *testing.T) {
	for _, failing := range []string{"/version", "/api", "/apis"} {
		s := newServer()
		s.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == failing {
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{}`))
			return true
		}
		if got, err := s.clients(t).Served(t.Context()); err == nil {
			t.Errorf("without %s: %+v", failing, got)
		}
	}
}

func TestLookup(t *testing.T) {
	s := newServer()
	answers := map[string]string{
		"/api": coreGroup, "/apis": otherGroups,
		"/api/v1/namespaces/ns/secrets/there": `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"there"}}`,
		"/api/v1/namespaces/ns/secrets":       `{"apiVersion":"v1","kind":"SecretList","items":[{"metadata":{"name":"there"}}]}`,
		"/api/v1/namespaces/root":             `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"root"}}`,
	}
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		body, ok := answers[r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			body = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`
		}
		_, _ = w.Write([]byte(body))
		return true
	}
	c := s.clients(t)
	tests := map[string]struct {
		kind, namespace, name string
		want                  string // the name, or that of the first item; empty is an empty map
		refused               bool
	}{
		"one":                          {"Secret", "ns", "there", "there", false},
		"all of them":                  {"Secret", "ns", "", "there", false},
		"none":                         {"Secret", "ns", "missing", "", false},
		"in a namespace it has not":    {"Namespace", "ns", "root", "root", false},
		"of a kind that is not served": {"Gadget", "ns", "x", "", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := c.Lookup(t.Context(), "v1", test.kind, test.namespace, test.name)
			if (err != nil) != test.refused {
				t.Fatal(err)
			}
			metadata, _ := got["metadata"].(map[string]any)
			if items, ok := got["items"].([]any); ok {
				metadata, _ = items[0].(map[string]any)["metadata"].(map[string]any)
			}
			if found, _ := metadata["name"].(string); found != test.want || test.want == "" && len(got) > 0 {
				t.Errorf("got %v", got)
			}
		})
	}
}
