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
	"time"

	"github.com/fluxd/fluxd/test/program"
)

// patience bounds the start of a server.
const patience = 30 * time.Second

// backend is a server of the program behind a door.
type backend struct {
	*Door
	dir       string
	process   *program.Process
	transport *http.Transport
}

// socket is where a server in dir listens. The path is short since the kernel
// takes no long ones.
func socket(dir string) string { return filepath.Join(dir, "socket") }

// newBackend makes a folder for a server, and a door before it. Nobody listens
// behind the door yet. Before may answer some of the requests.
func newBackend(s Security, before func(http.Handler) http.Handler) (*backend, error) {
	dir, err := os.MkdirTemp("", "fluxd-upstream-")
	if err != nil {
		return nil, err
	}
	b := &backend{dir: dir}
	var proxy http.Handler
	proxy, b.transport = through(socket(dir))
	if b.Door, err = newDoor(before(proxy), s); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

// start runs a command of the program and returns when it answers.
func (b *backend) start(ctx context.Context, env []string, command string, args ...string) error {
	binary, err := Build(ctx, os.Stderr)
	if err != nil {
		return err
	}
	if b.process, err = program.Launch(binary, command, args, b.dir, b.dir, env...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = program.Poll(ctx, func(ctx context.Context) error {
		select {
		case <-b.process.Done():
			cancel()
			return b.process.Ended()
		default:
			return answers(ctx, b.transport)
		}
	})
	if err != nil {
		return fmt.Errorf("wait for the %s server: %w", command, err)
	}
	return nil
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

// through hands requests on to a server that listens on a Unix socket. The server
// sees the host that the client asked for, which signatures and redirects depend
// on.
func through(socket string) (http.Handler, *http.Transport) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "server"})
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-Proto", scheme(r.In))
		},
		Transport: transport,
		ErrorLog:  silent,
	}, transport
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// answers says whether a server on a Unix socket answers at all.
func answers(ctx context.Context, transport *http.Transport) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server/", nil)
	if err != nil {
		return err
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// roundTrip sends a request past the door. An answer that is no success is an
// error.
func (b *backend) roundTrip(req *http.Request) (http.Header, []byte, error) {
	res, err := b.transport.RoundTrip(req)
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
