package kube

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/fluxd/fluxd/pkg/api/scheme"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// server is an API server in memory that is reached without a network: objects by
// path, versions, and refused writes. It is a [http.RoundTripper].
type server struct {
	mu       sync.Mutex // guards the fields below
	version  int
	objects  map[string]map[string]any
	requests []request
	// answer, if it is not nil and returns true, has answered itself.
	answer func(http.ResponseWriter, *http.Request) bool
}

type request struct {
	verb, path  string
	query       url.Values
	header      http.Header
	body        string
	contentType string
}

func newServer() *server { return &server{objects: make(map[string]map[string]any)} }

// clients returns connections to s.
func (s *server) clients(t *testing.T) *Clients {
	t.Helper()
	c, err := NewClients(&rest.Config{Host: "http://cluster.test", Transport: s, QPS: -1}, scheme.New())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// RoundTrip implements [http.RoundTripper].
func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	s.mu.Lock()
	s.requests = append(s.requests, request{
		verb: r.Method, path: r.URL.Path, query: r.URL.Query(), header: r.Header, body: string(body),
		contentType: r.Header.Get("Content-Type"),
	})
	answer := s.answer
	s.mu.Unlock()
	w := httptest.NewRecorder()
	if answer == nil || !answer(w, r) {
		s.serve(w, r.Method, r.URL.Path, body)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (s *server) put(path, object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var o map[string]any
	if err := json.Unmarshal([]byte(object), &o); err != nil {
		panic(err)
	}
	s.store(path, o)
}

// store keeps o as the next version. mu is held.
func (s *server) store(path string, o map[string]any) {
	s.version++
	metadata, _ := o["metadata"].(map[string]any)
	if metadata == nil {
		metadata = make(map[string]any)
		o["metadata"] = metadata
	}
	metadata["resourceVersion"] = strconv.Itoa(s.version)
	s.objects[path] = o
}

func (s *server) serve(w http.ResponseWriter, verb, path string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path = strings.TrimSuffix(path, "/status")
	current, found := s.objects[path]
	var sent map[string]any
	_ = json.Unmarshal(body, &sent)
	switch {
	case verb == http.MethodPost:
		name, _ := sent["metadata"].(map[string]any)["name"].(string)
		if _, exists := s.objects[path+"/"+name]; exists {
			refuse(w, http.StatusConflict, metav1.StatusReasonAlreadyExists)
			return
		}
		s.store(path+"/"+name, sent)
		reply(w, http.StatusCreated, sent)
	case !found:
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case verb == http.MethodGet:
		reply(w, http.StatusOK, current)
	case outdated(current, sent):
		refuse(w, http.StatusConflict, metav1.StatusReasonConflict)
	case verb == http.MethodPut:
		s.store(path, sent)
		reply(w, http.StatusOK, sent)
	case verb == http.MethodPatch:
		before, _ := json.Marshal(current)
		after, err := jsonpatch.MergePatch(before, body)
		if err != nil {
			refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest)
			return
		}
		var o map[string]any
		_ = json.Unmarshal(after, &o)
		s.store(path, o)
		reply(w, http.StatusOK, o)
	}
}

// outdated says whether a write names another version or object than there is.
func outdated(current, sent map[string]any) bool {
	is, _ := current["metadata"].(map[string]any)
	want, _ := sent["metadata"].(map[string]any)
	for _, field := range []string{"resourceVersion", "uid"} {
		if v, ok := want[field].(string); ok && v != is[field] {
			return true
		}
	}
	return false
}

func reply(w http.ResponseWriter, code int, o any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(o)
}

func refuse(w http.ResponseWriter, code int32, reason metav1.StatusReason) {
	reply(w, int(code), metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason, Message: string(reason),
	})
}

// sent returns the requests since the last call.
func (s *server) sent() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}
