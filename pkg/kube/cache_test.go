package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// watchServer is an API server whose lists and watches the test writes. It answers the
// requests for a watch with the stream of events.
type watchServer struct {
	*server
	lists  map[string]string // by resource; others are not served
	events chan string
}

// RoundTrip implements [http.RoundTripper].
func (s *watchServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("watch") == "" || r.URL.Query().Get("sendInitialEvents") != "" {
		return s.server.RoundTrip(r)
	}
	s.mu.Lock()
	s.requests = append(s.requests, request{verb: "WATCH", path: r.URL.Path, query: r.URL.Query()})
	s.mu.Unlock()
	return watching(r, s.events), nil
}

// watching answers a watch with events until the channel is closed.
func watching(r *http.Request, events <-chan string) *http.Response {
	reader, writer := io.Pipe()
	go func() {
		defer writer.Close()
		for {
			select {
			case <-r.Context().Done():
				return
			case event, open := <-events:
				if !open {
					return
				}
				_, _ = io.WriteString(writer, event+"\n")
			}
		}
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: reader, Request: r}
}

func newWatchServer(lists map[string]string) *watchServer {
	s := &watchServer{server: newServer(), lists: lists, events: make(chan string)}
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("sendInitialEvents") != "" {
			refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
			return true
		}
		body, served := s.lists[r.URL.Path]
		if served {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		}
		return served
	}
	return s
}

func event(kind, object string) string {
	data, _ := json.Marshal(map[string]any{"type": kind, "object": json.RawMessage(object)})
	return string(data)
}

func TestCache(t *testing.T) {
	const path = "/apis/source.toolkit.fluxcd.io/v1/namespaces/edge/gitrepositories"
	s := newWatchServer(map[string]string{
		path: `{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepositoryList","metadata":{"resourceVersion":"1"},"items":[` +
			stored("good", good) + `,` + stored("bad", bad) + `]}`,
	})
	clients := s.clients(t)
	clients.http.Transport = s
	cache, err := NewCache(clients, api.Resources()[:2], Scope{Namespace: "edge", Selector: "shard=one"})
	if err != nil {
		t.Fatal(err)
	}
	kind, unserved := api.GitRepositoryGVK.GroupKind(), api.OCIRepositoryGVK.GroupKind()
	told := make(chan string, 16)
	tell := func(old, obj metav1.Object) { told <- fmt.Sprintf("%s -> %s", describe(old), describe(obj)) }
	listed, err := cache.Handle(kind, tell)
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := cache.Handle(unserved, tell)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Handle(schema.GroupKind{Kind: "Secret"}, tell); err == nil {
		t.Error("a kind that is not in the cache can be watched")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	var running sync.WaitGroup
	running.Go(func() { cache.Start(ctx) })
	<-listed
	<-nobody // a kind that is not served holds up nobody

	first := map[string]bool{<-told: true, <-told: true}
	if diff := cmp.Diff(map[string]bool{"none -> good": true, "none -> bad (undecodable)": true}, first); diff != "" {
		t.Errorf("told (-want +got): %s", diff)
	}
	for _, step := range []struct{ event, want string }{
		{event("MODIFIED", stored("bad", good)), "bad (undecodable) -> bad"},
		{event("MODIFIED", stored("bad", bad)), "bad -> bad (undecodable)"},
		{event("ADDED", stored("new", good)), "none -> new"},
		{event("DELETED", stored("bad", bad)), "bad (undecodable) -> none"},
	} {
		s.events <- step.event
		if got := <-told; got != step.want {
			t.Errorf("told %q, want %q", got, step.want)
		}
	}
	if obj, ok := cache.Get(kind, "edge", "new"); !ok || obj.GetManagedFields() != nil {
		t.Errorf("got %v: %v", ok, obj)
	}
	if cache.Stored(kind, "edge", "bad") != nil || cache.Stored(schema.GroupKind{}, "edge", "new") != nil {
		t.Error("something is stored that is not there")
	}
	n := 0
	cache.Each(kind, func(metav1.Object) { n++ })
	if n != 2 {
		t.Errorf("%d objects, want 2", n)
	}
	for _, r := range s.sent() {
		if r.query.Get("labelSelector") != "shard=one" {
			t.Errorf("%s %s is not limited to the shard", r.verb, r.path)
		}
	}
	cancel()
	running.Wait()
}

func describe(obj metav1.Object) string {
	switch o := obj.(type) {
	case nil:
		return "none"
	case *Undecodable:
		return o.Name + " (undecodable)"
	default:
		return o.GetName()
	}
}

// Secrets are watched by name and version alone, once somebody asks for it.
func TestMetadata(t *testing.T) {
	partial := func(name, version string) string {
		return fmt.Sprintf(`{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"namespace":"edge","name":%q,
			"uid":"u","resourceVersion":%q,"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"hunter2"}}}`, name, version)
	}
	s := newWatchServer(map[string]string{"/api/v1/secrets": `{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadataList",
		"metadata":{"resourceVersion":"1"},"items":[` + partial("token", "1") + `]}`})
	clients := s.clients(t)
	clients.http.Transport = s
	told := make(chan string, 16)
	m, err := NewMetadata(clients, Scope{Selector: "watch=yes"}, func(kind schema.GroupKind, namespace, name string) {
		told <- kind.Kind + "/" + namespace + "/" + name
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	var running sync.WaitGroup
	running.Go(func() { m.Start(ctx) })
	m.Want(schema.GroupKind{Group: "example.com", Kind: "Thing"})
	m.Want(schema.GroupKind{Kind: "Secret"})
	m.Want(schema.GroupKind{Kind: "Secret"})
	if got := <-told; got != "Secret/edge/token" {
		t.Errorf("told of %s", got)
	}
	for _, e := range []string{event("MODIFIED", partial("token", "2")), event("DELETED", partial("token", "3"))} {
		s.events <- e
		if got := <-told; got != "Secret/edge/token" {
			t.Errorf("told of %s", got)
		}
	}
	lists := 0
	for _, r := range s.sent() {
		if r.path != "/api/v1/secrets" || r.query.Get("labelSelector") != "watch=yes" {
			t.Errorf("%s %s with the selector %q", r.verb, r.path, r.query.Get("labelSelector"))
		}
		if r.verb == http.MethodGet && r.query.Get("watch") == "" {
			lists++
		}
	}
	if lists != 1 {
		t.Errorf("listed %d times, want once", lists)
	}
	cancel()
	running.Wait()
}

func TestStrip(t *testing.T) {
	full := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: "edge", Name: "it", UID: "u", ResourceVersion: "1",
		Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"secret": "hunter2"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "x"}},
	}}
	bare, err := strip(full)
	want := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: "it", UID: "u", ResourceVersion: "1"}}
	if diff := cmp.Diff(want, bare); diff != "" || err != nil {
		t.Errorf("stripped (-want +got): %s (%v)", diff, err)
	}
}
