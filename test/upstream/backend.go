package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fluxd/fluxd/test/program"
)

// patience bounds the start of a server.
const patience = 30 * time.Second

// backend is a server of its own process behind a door.
type backend struct {
	*Door
	dir       string // for its files, and where its Unix socket is
	address   atomic.Pointer[string]
	process   *program.Process
	transport *http.Transport
}

// newBackend makes a folder for a server, and a door before it. Nobody listens
// behind the door yet. Before may answer some of the requests.
func newBackend(s Security, before func(http.Handler) http.Handler) (*backend, error) {
	dir, err := os.MkdirTemp("", "fluxd-upstream-")
	if err != nil {
		return nil, err
	}
	b := &backend{dir: dir}
	b.transport = &http.Transport{DialContext: b.dial, DisableCompression: true, MaxIdleConnsPerHost: 64}
	if b.Door, err = newDoor(before(b.proxy()), s); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

// socket is where the server listens unless it has an address. A path in the
// folder for temporary files is short enough for the kernel.
func (b *backend) socket() string { return filepath.Join(b.dir, "socket") }

func (b *backend) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if address := b.address.Load(); address != nil {
		return new(net.Dialer).DialContext(ctx, "tcp", *address)
	}
	return new(net.Dialer).DialContext(ctx, "unix", b.socket())
}

// proxy hands requests on. The server sees the host that the client asked for,
// which signatures and redirects depend on.
func (b *backend) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "server"})
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-Proto", "http")
			if r.In.TLS != nil {
				r.Out.Header.Set("X-Forwarded-Proto", "https")
			}
		},
		Transport: b.transport,
		ErrorLog:  silent,
	}
}

// start runs a command of the program of servers and returns when it answers.
func (b *backend) start(ctx context.Context, env []string, command string, args ...string) error {
	binary, err := Build(ctx, os.Stderr)
	if err != nil {
		return err
	}
	if b.process, err = program.Launch(binary, command, args, b.dir, b.dir, env...); err != nil {
		return err
	}
	return b.await(ctx, command, b.answers)
}

// await asks until the server is ready or has ended.
func (b *backend) await(ctx context.Context, name string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := program.Poll(ctx, func(ctx context.Context) error {
		select {
		case <-b.process.Done():
			cancel()
			return b.process.Ended()
		default:
			return ready(ctx)
		}
	}); err != nil {
		return fmt.Errorf("wait for the %s server: %w", name, err)
	}
	return nil
}

// answers says whether the server answers at all.
func (b *backend) answers(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server/", nil)
	if err != nil {
		return err
	}
	res, err := b.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// roundTrip sends a request. An answer that is no success is an error.
func roundTrip(transport http.RoundTripper, req *http.Request) (http.Header, []byte, error) {
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	if res.StatusCode >= 300 {
		return nil, nil, fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, body)
	}
	return res.Header, body, nil
}

// Logs is what the server has printed.
func (b *backend) Logs() (string, error) {
	text, err := os.ReadFile(b.process.Log())
	return string(text), err
}

// Close ends the server and removes what it has stored.
func (b *backend) Close() error {
	err := b.Shut()
	if b.process != nil {
		b.process.Kill()
	}
	b.transport.CloseIdleConnections()
	return errors.Join(err, os.RemoveAll(b.dir))
}
