package kube

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// secretServer is an API server with Secrets whose watches the test writes and ends.
type secretServer struct {
	*server
	t       *testing.T
	streams chan chan string // of the watches, in the order in which they were opened
	refuse  atomic.Bool      // to let Secrets be listed
	asked   []string         // the versions that were watched from; guarded by mu
	secrets *Secrets
}

const secretPath = "/api/v1/namespaces/edge/secrets/"

// RoundTrip implements [http.RoundTripper].
func (s *secretServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("watch") == "" {
		return s.server.RoundTrip(r)
	}
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Query().Get("resourceVersion"))
	s.mu.Unlock()
	stream := make(chan string)
	s.streams <- stream
	return watching(r, stream), nil
}

// withSecrets runs a test in a bubble, with Secrets that follow changes once somebody
// reads.
func withSecrets(t *testing.T, test func(*secretServer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &secretServer{server: newServer(), t: t, streams: make(chan chan string, 10)}
		s.answer = func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.URL.Path != "/api/v1/secrets":
				return false
			case s.refuse.Load():
				refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden)
			default:
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"100"},"items":[]}`)
			}
			return true
		}
		s.put(secretPath+"token", `{"type":"Opaque","data":{"token":"aHVudGVyMg=="}}`)
		clients := s.clients(t)
		clients.http.Transport = s
		reader, err := NewReader(clients)
		if err != nil {
			t.Fatal(err)
		}
		if s.secrets, err = NewSecrets(clients, reader, Scope{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go s.secrets.Start(ctx)
		synctest.Wait()
		test(s)
		cancel()
		synctest.Wait()
	})
}

// read reads a Secret, which may cost so many requests for it.
func (s *secretServer) read(name string, requests int) {
	s.t.Helper()
	s.sent()
	data, kind, err := s.secrets.Secret(s.t.Context(), "edge", name)
	if err != nil || kind != "Opaque" || len(data) == 0 {
		s.t.Fatalf("Secret: %d entries of type %q (%v)", len(data), kind, err)
	}
	data["token"] = nil // a copy
	synctest.Wait()
	count := 0
	for _, r := range s.sent() {
		if r.path == secretPath+name {
			count++
		}
	}
	if count != requests {
		s.t.Errorf("reading it cost %d requests, want %d", count, requests)
	}
}

func metadataOf(name, version string) string {
	return fmt.Sprintf(`{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"namespace":"edge","name":%q,"resourceVersion":%q}}`, name, version)
}

func TestSecretsAreKeptUntilTheyChange(t *testing.T) {
	withSecrets(t, func(s *secretServer) {
		if len(s.streams) > 0 {
			t.Error("there is a watch although nobody reads")
		}
		s.read("token", 1) // which begins the watch
		s.read("token", 1)
		s.read("token", 0)
		s.put(secretPath+"other", `{"type":"Opaque","data":{"token":"aHVudGVyMg=="}}`)
		s.read("other", 1)
		events := <-s.streams
		for _, tt := range []struct {
			name, event string
			requests    int
		}{
			{"of another Secret", event("MODIFIED", metadataOf("other", "101")), 0},
			{"of nothing", event("BOOKMARK", metadataOf("", "102")), 0},
			{"of the Secret", event("MODIFIED", metadataOf("token", "103")), 1},
			{"that it is gone", event("DELETED", metadataOf("token", "104")), 1},
		} {
			events <- tt.event
			synctest.Wait()
			s.read("token", tt.requests)
			s.read("token", 0)
		}
		s.read("other", 1)
		s.secrets.Changed("edge", "token")
		s.read("token", 1)
		s.read("token", 0)
	})
}

func TestSecretsWithoutAWatch(t *testing.T) {
	withSecrets(t, func(s *secretServer) {
		s.refuse.Store(true)
		for range 3 {
			s.read("token", 1)
		}
		s.refuse.Store(false)
		time.Sleep(maxFollowPause)
		synctest.Wait()
		s.read("token", 1)
		s.read("token", 0)
		events := <-s.streams
		events <- event("ERROR", `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}`)
		synctest.Wait()
		s.read("token", 1) // and until there is another watch
		s.read("token", 1)
		time.Sleep(maxFollowPause)
		synctest.Wait()
		s.read("token", 1)
		s.read("token", 0)
	})
}

func TestSecretsWhoseWatchEnds(t *testing.T) {
	withSecrets(t, func(s *secretServer) {
		s.read("token", 1)
		s.read("token", 1)
		first := <-s.streams
		first <- event("MODIFIED", metadataOf("other", "107"))
		time.Sleep(5 * time.Minute)
		s.read("token", 0)
		close(first) // as servers do every some minutes
		synctest.Wait()
		s.read("token", 0)
		second := <-s.streams
		close(second) // which is too soon
		synctest.Wait()
		s.read("token", 1)
		s.read("token", 1)
		s.mu.Lock()
		defer s.mu.Unlock()
		if got := strings.Join(s.asked, " "); got != "100 107" {
			t.Errorf("watched from the versions %s", got)
		}
	})
}

func TestSecretsThatAreNotKept(t *testing.T) {
	withSecrets(t, func(s *secretServer) {
		s.read("token", 1)
		<-s.streams
		for range 2 {
			s.sent()
			if _, _, err := s.secrets.Secret(t.Context(), "edge", "missing"); !apierrors.IsNotFound(err) || len(s.sent()) != 1 {
				t.Errorf("a missing one: %v", err)
			}
		}
		s.put(secretPath+"large", `{"type":"Opaque","data":{"x":"`+strings.Repeat("AAAA", largeSecret/3)+`"}}`)
		s.read("large", 1)
		s.read("large", 1)

		s.read("token", 1)
		time.Sleep(idleSecret - time.Second)
		s.read("token", 0)
		time.Sleep(2 * idleSecret)
		s.read("token", 1)

		// Something changes while it is being read.
		s.secrets.Changed("edge", "token")
		s.mu.Lock()
		answer := s.answer
		s.answer = func(w http.ResponseWriter, r *http.Request) bool {
			s.secrets.Changed("edge", "another")
			return answer(w, r)
		}
		s.mu.Unlock()
		s.read("token", 1)
		s.read("token", 1)
	})
}

func TestSecretsAreBounded(t *testing.T) {
	withSecrets(t, func(s *secretServer) {
		s.read("token", 1)
		<-s.streams
		const each = 50_000
		fit := allSecrets / (each + secretCost + len("x"))
		body := `{"type":"Opaque","data":{"x":"` + strings.Repeat("AAAA", each/3) + `AAA="}}` // two bytes more
		for i := range fit + 2 {
			name := fmt.Sprint(i)
			s.put(secretPath+name, body)
			s.read(name, 1)
		}
		s.read("0", 0)
		s.read(fmt.Sprint(fit+1), 1)
		if s.secrets.size > allSecrets || len(s.secrets.kept) != fit {
			t.Errorf("%d Secrets of %d bytes are kept, want %d", len(s.secrets.kept), s.secrets.size, fit)
		}
	})
}
