package gittest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// Server serves the repositories below a directory over HTTP.
type Server struct {
	// Root is the directory, URL where it is served.
	Root, URL string

	server   *http.Server
	requests atomic.Int64

	mu       sync.Mutex // guards the fields below
	user     string
	password string
	wrap     func(http.Handler) http.Handler
}

// Serve starts a server on a free port of loopback.
func Serve(root string) (*Server, error) { return ServeOn(root, "127.0.0.1:0") }

// ServeOn starts a server on the given address.
func ServeOn(root, address string) (*Server, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("serve repositories: %w", err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve repositories: %w", err)
	}
	if root, err = filepath.Abs(root); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s := &Server{Root: root, URL: "http://" + l.Addr().String()}
	backend := &cgi.Handler{
		Path: git, Args: []string{"http-backend"}, Dir: root,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=test", "GIT_CONFIG_NOSYSTEM=1"},
	}
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.requests.Add(1)
		s.handler(backend).ServeHTTP(w, req)
	})}
	go func() { _ = s.server.Serve(l) }() // ends with Close
	return s, nil
}

// RequireAuth makes the server ask for a user name and a password.
func (s *Server) RequireAuth(user, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user, s.password = user, password
}

// Wrap puts a handler before the server's own, for faults such as delays and
// redirects. nil takes it away.
func (s *Server) Wrap(wrap func(http.Handler) http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrap = wrap
}

// Requests returns how many requests have come in.
func (s *Server) Requests() int64 { return s.requests.Load() }

// Close stops the server and drops its connections.
func (s *Server) Close() error { return s.server.Close() }

// RepoURL returns the URL of a repository.
func (s *Server) RepoURL(r *Repo) string { return s.URL + "/" + strings.TrimPrefix(r.Name, "/") }

func (s *Server) handler(backend http.Handler) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := backend
	if s.user != "" {
		user, password := s.user, s.password
		h = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			u, p, ok := req.BasicAuth()
			if !ok || u != user || p != password {
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "authentication required", http.StatusUnauthorized)
				return
			}
			backend.ServeHTTP(w, req)
		})
	}
	if s.wrap != nil {
		h = s.wrap(h)
	}
	return h
}
