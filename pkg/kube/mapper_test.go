package kube

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	coreGroup = `{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":""},"versions":[{"version":"v1","resources":[
		{"resource":"namespaces","singularResource":"namespace","scope":"Cluster","responseKind":{"group":"","version":"v1","kind":"Namespace"}},
		{"resource":"secrets","scope":"Namespaced","responseKind":{"group":"","version":"v1","kind":"Secret"}}]}]}]}`
	otherGroups = `{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"example.com"},"versions":[
		{"version":"v2","resources":[{"resource":"things","scope":"Namespaced","responseKind":{"group":"example.com","version":"v2","kind":"Thing"}}]},
		{"version":"v1","resources":[{"resource":"things","scope":"Namespaced","responseKind":{"group":"example.com","version":"v1","kind":"Thing"}}]}]}]}`
	moreGroups = `{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"example.com"},"versions":[
		{"version":"v2","resources":[{"resource":"gadgets","scope":"Cluster","responseKind":{"group":"example.com","version":"v2","kind":"Gadget"}}]}]}]}`
)

// discovery is a server that answers discovery, and the mapper that asks it by a
// clock of the test.
func discovery(t *testing.T) (s *server, m *Mapper, groups *string, now *time.Time) {
	t.Helper()
	s = newServer()
	groups, now = new(string), new(time.Time)
	*groups, *now = otherGroups, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		body := *groups
		if r.URL.Path == "/api" {
			body = coreGroup
		}
		if body == "" {
			return false // not found
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
		return true
	}
	root, err := s.clients(t).rest(schema.GroupVersion{})
	if err != nil {
		t.Fatal(err)
	}
	return s, newMapper(root, func() time.Time { return *now }), groups, now
}

func TestMapper(t *testing.T) {
	tests := map[string]struct {
		kind     schema.GroupKind
		versions []string
		want     string // group version resource
		root     bool
		unknown  bool
	}{
		"of the core":       {kind: schema.GroupKind{Kind: "Secret"}, want: "/v1, Resource=secrets"},
		"of the cluster":    {kind: schema.GroupKind{Kind: "Namespace"}, want: "/v1, Resource=namespaces", root: true},
		"preferred version": {kind: schema.GroupKind{Group: "example.com", Kind: "Thing"}, want: "example.com/v2, Resource=things"},
		"another version":   {kind: schema.GroupKind{Group: "example.com", Kind: "Thing"}, versions: []string{"v1"}, want: "example.com/v1, Resource=things"},
		"not served":        {kind: schema.GroupKind{Group: "example.com", Kind: "Gadget"}, unknown: true},
	}
	s, m, _, _ := discovery(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			mapping, err := m.RESTMapping(test.kind, test.versions...)
			if meta.IsNoMatchError(err) != test.unknown || (err != nil) != test.unknown {
				t.Fatalf("error %v", err)
			}
			if test.unknown {
				return
			}
			if got := mapping.Resource.String(); got != test.want || (mapping.Scope.Name() == meta.RESTScopeNameRoot) != test.root {
				t.Errorf("mapped to %s, %s", got, mapping.Scope.Name())
			}
		})
	}
	requests := s.sent()
	if len(requests) != 2 {
		t.Errorf("%d requests for all of it, want 2", len(requests))
	}
	if accept := requests[0].header.Get("Accept"); !strings.Contains(accept, "as=APIGroupDiscoveryList") {
		t.Errorf("asked for %s", accept)
	}
}

// A kind that appears is found; one that does not exist costs little.
func TestMapperAsksAgain(t *testing.T) {
	s, m, groups, now := discovery(t)
	gadget := schema.GroupKind{Group: "example.com", Kind: "Gadget"}
	ask := func(wantKnown bool, wantRequests int) {
		t.Helper()
		_, err := m.RESTMapping(gadget)
		if n := len(s.sent()); (err == nil) != wantKnown || n != wantRequests {
			t.Errorf("known: %v after %d requests, want %t after %d", err, n, wantKnown, wantRequests)
		}
	}
	ask(false, 2)
	ask(false, 0) // asked a moment ago
	*groups = moreGroups
	*now = now.Add(missInterval)
	ask(true, 2)
	ask(true, 0)
	m.Reset()
	*groups = ""
	ask(false, 2) // cannot be told
	*groups = moreGroups
	ask(true, 2) // and is not remembered
}
