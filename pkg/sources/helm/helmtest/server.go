package helmtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Server is a repository on loopback. It knows conditional requests, and may ask for
// a password.
type Server struct {
	*httptest.Server

	mu       sync.Mutex // guards what follows
	files    map[string][]byte
	password string
	asked    int
	whole    int
}

// New starts a server.
func New() *Server {
	s := &Server{files: make(map[string][]byte)}
	s.Server = httptest.NewServer(s)
	return s
}

// NewTLS starts a server that speaks TLS, with the certificate of httptest.
func NewTLS() *Server {
	s := &Server{files: make(map[string][]byte)}
	s.Server = httptest.NewTLSServer(s)
	return s
}

// Put has a file served at a path.
func (s *Server) Put(path string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = content
}

// Delete removes a file.
func (s *Server) Delete(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, path)
}

// Require makes the server ask for a password, whatever the user name.
func (s *Server) Require(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

// Counts returns how many requests came since the last time, and how many of them were
// answered with a whole file.
func (s *Server) Counts() (asked, whole int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, whole = s.asked, s.whole
	s.asked, s.whole = 0, 0
	return asked, whole
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if _, password, _ := r.BasicAuth(); s.password != "" && password != s.password {
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	content, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(rw, r)
		return
	}
	etag := fmt.Sprintf("%q", Digest(content))
	rw.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		rw.WriteHeader(http.StatusNotModified)
		return
	}
	s.whole++
	_, _ = rw.Write(content) // who asked may have gone
}

// Digest returns the SHA-256 of some bytes in hexadecimal.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
