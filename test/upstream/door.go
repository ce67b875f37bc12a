package upstream

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Door is the way in to a server. Its methods may be called from many
// goroutines.
type Door struct {
	// URL is http:// or https:// with the address, without a path.
	URL string
	// Authority vouches for the certificate of the server; nil without TLS.
	Authority *Authority

	handler http.Handler
	tls     *tls.Config

	mu       sync.Mutex // guards the fields below
	server   *http.Server
	requests []*Request
	wrap     func(http.Handler) http.Handler // nil as a rule
}

// Request is what one request was and how it was answered.
type Request struct {
	Method, Path, Query string
	IfNoneMatch         string // the header
	Authorized          bool   // had an Authorization header
	Status              int
	Bytes               int64 // of the body of the answer
}

// String is how a failed test shows r. It leaves out the query, which may hold
// credentials.
func (r Request) String() string { return fmt.Sprintf("%s %s %d", r.Method, r.Path, r.Status) }

// Security says how clients reach a server.
type Security struct {
	// TLS is with an authority of the server's own.
	TLS bool
	// ClientCertificates are demanded, from the same authority. It implies TLS.
	ClientCertificates bool
	// Authority vouches for the server in the place of one of its own. It implies TLS.
	Authority *Authority
	// Hosts are names that the certificate is good for, besides the address.
	Hosts []string
	// Expired has a certificate that was good until an hour ago.
	Expired bool
}

// silent is for servers whose clients break off on purpose.
var silent = log.New(io.Discard, "", 0)

// OpenDoor opens a door to a handler of the test's own.
func OpenDoor(handler http.Handler, s Security) (*Door, error) { return newDoor(handler, s) }

// newDoor opens a door to a handler.
func newDoor(handler http.Handler, s Security) (*Door, error) {
	d := &Door{}
	d.handler = d.counted(handler)
	scheme := "http"
	if d.Authority = s.Authority; s.TLS || s.ClientCertificates || s.Authority != nil {
		var err error
		if d.Authority == nil {
			if d.Authority, err = NewAuthority(); err != nil {
				return nil, err
			}
		}
		if d.tls, err = d.Authority.serverConfig(s); err != nil {
			return nil, err
		}
		scheme = "https"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a port: %w", err)
	}
	d.URL = scheme + "://" + listener.Addr().String()
	d.serve(listener)
	return d, nil
}

// Host is the address of the door as host:port.
func (d *Door) Host() string {
	_, host, _ := strings.Cut(d.URL, "://")
	return host
}

func (d *Door) serve(listener net.Listener) {
	server := &http.Server{Handler: d.handler, TLSConfig: d.tls, ReadHeaderTimeout: 10 * time.Second, ErrorLog: silent}
	d.mu.Lock()
	d.server = server
	d.mu.Unlock()
	if d.tls != nil {
		go func() { _ = server.ServeTLS(listener, "", "") }() // ends when the door is shut
		return
	}
	go func() { _ = server.Serve(listener) }()
}

// Close shuts the door for good.
func (d *Door) Close() error { return d.Shut() }

// Shut has connections refused, and ends those that there are.
func (d *Door) Shut() error {
	d.mu.Lock()
	server := d.server
	d.server = nil
	d.mu.Unlock()
	if server == nil {
		return nil
	}
	return server.Close()
}

// Open undoes Shut, on the same port.
func (d *Door) Open() error {
	listener, err := net.Listen("tcp", d.Host())
	if err != nil {
		return fmt.Errorf("open %s again: %w", d.URL, err)
	}
	d.serve(listener)
	return nil
}

// Wrap has requests answered by what f makes of the server, until it is nil again,
// so that a test can have a server misbehave.
func (d *Door) Wrap(f func(server http.Handler) http.Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrap = f
}

// wrapped is the handler of the moment.
func (d *Door) wrapped(handler http.Handler) http.Handler {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wrap == nil {
		return handler
	}
	return d.wrap(handler)
}

// Requests are those whose answer has begun since the door was opened first, or
// since Forget.
func (d *Door) Requests() []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Request, len(d.requests))
	for i, r := range d.requests {
		all[i] = *r
	}
	return all
}

// Forget begins to count anew.
func (d *Door) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = nil
}

// Count counts the requests that match.
func (d *Door) Count(match func(Request) bool) int {
	n := 0
	for _, r := range d.Requests() {
		if match(r) {
			n++
		}
	}
	return n
}

// counted serves with handler and keeps what it answers, from before the client can
// have seen any of it.
func (d *Door) counted(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counter := &counter{ResponseWriter: w, door: d, request: &Request{
			Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
			IfNoneMatch: r.Header.Get("If-None-Match"), Authorized: r.Header.Get("Authorization") != "",
		}}
		defer counter.note(http.StatusOK, 0)
		d.wrapped(handler).ServeHTTP(counter, r)
	})
}

// counter counts what is written through it.
type counter struct {
	http.ResponseWriter
	door    *Door
	request *Request // the door has it once it has a status
}

// note adds to what is known of the answer; the first status counts.
func (c *counter) note(status, bytes int) {
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	if c.request.Status == 0 {
		c.request.Status = status
		c.door.requests = append(c.door.requests, c.request)
	}
	c.request.Bytes += int64(bytes)
}

func (c *counter) WriteHeader(status int) {
	c.note(status, 0)
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(p []byte) (int, error) {
	c.note(http.StatusOK, len(p))
	n, err := c.ResponseWriter.Write(p)
	c.note(http.StatusOK, n-len(p))
	return n, err
}

// Unwrap lets the server flush.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
