package e2e

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// gate stands between a daemon and the API server. It sees each write before the
// API server does, so that a test can act at an exact request instead of after
// some time, and it can be shut, as a network that is lost.
type gate struct {
	kubeconfig string
	server     *http.Server
	proxy      *httputil.ReverseProxy

	mu             sync.Mutex // guards the fields below
	shut           bool
	trouble        *trouble // nil if the API server answers every request itself
	reads, watches int      // which are no writes, but tell what a restart costs
	count          int
	writes         []string
	before         func(n int) (pass bool)
	after          func(n int)
	conns          map[net.Conn]struct{}
}

// newGate opens a gate and writes a kubeconfig that leads through it.
func newGate(t *testing.T) *gate {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", credentials)
	if err != nil {
		t.Fatal(err)
	}
	upstream, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{conns: map[net.Conn]struct{}{}}
	g.proxy = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		ModifyResponse: g.answered,
		Transport:      transport,
		ErrorLog:       log.New(io.Discard, "", 0), // connections are cut on purpose
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	g.server = &http.Server{Handler: g, ConnState: g.connection}
	go func() { _ = g.server.Serve(listener) }() // ends with Close
	t.Cleanup(func() { _ = g.server.Close() })
	g.kubeconfig = routeTo(t, &api.Cluster{Server: "http://" + listener.Addr().String()}, config.BearerToken)
	return g
}

// routeTo writes a kubeconfig that leads to a server.
func routeTo(t *testing.T, server *api.Cluster, token string) (path string) {
	t.Helper()
	route := api.NewConfig()
	route.Clusters["gate"] = server
	route.AuthInfos["gate"] = &api.AuthInfo{Token: token}
	route.Contexts["gate"] = &api.Context{Cluster: "gate", AuthInfo: "gate"}
	route.CurrentContext = "gate"
	path = filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*route, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// place is the key of a write's number in the context of its request.
type place struct{}

// ServeHTTP passes a request on.
func (g *gate) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	n, before, open := g.enter(req)
	if !open || before != nil && !before(n) {
		panic(http.ErrAbortHandler)
	}
	req = req.WithContext(context.WithValue(req.Context(), place{}, n))
	g.mu.Lock()
	trouble := g.trouble
	g.mu.Unlock()
	if trouble != nil {
		trouble.serve(rw, req, g.proxy)
		return
	}
	g.proxy.ServeHTTP(rw, req)
}

// disturb has answers go wrong from now on, or no more if trouble is nil.
func (g *gate) disturb(trouble *trouble) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trouble = trouble
}

// enter counts a request if it writes; n is 0 for others.
func (g *gate) enter(req *http.Request) (n int, before func(int) bool, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return 0, nil, false
	}
	if !writes(req) {
		g.note(req.URL.Query())
		return 0, nil, true
	}
	g.count++
	g.writes = append(g.writes, fmt.Sprintf("%s %s", req.Method, req.URL.Path))
	return g.count, g.before, true
}

// writes says whether a request changes an object that a test is about. Events
// and Leases come at times of their own.
func writes(req *http.Request) bool {
	return req.Method != http.MethodGet && !req.URL.Query().Has("dryRun") &&
		!strings.Contains(req.URL.Path, "/events") && !strings.Contains(req.URL.Path, "/leases")
}

// answered sees the answer of the API server before the daemon does.
func (g *gate) answered(res *http.Response) error {
	n, _ := res.Request.Context().Value(place{}).(int)
	g.mu.Lock()
	after := g.after
	g.mu.Unlock()
	if n > 0 && after != nil {
		after(n)
	}
	return nil
}

func (g *gate) connection(c net.Conn, state http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch state {
	case http.StateNew:
		g.conns[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(g.conns, c)
	}
}

// watch starts to count at 0 and has before called ahead of each write, which is
// dropped if that returns false, and after when the API server has carried it out.
// Either may be nil.
func (g *gate) watch(before func(n int) (pass bool), after func(n int)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count, g.writes, g.before, g.after = 0, nil, before, after
}

// seen returns the writes since the last watch.
func (g *gate) seen() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string{}, g.writes...)
}

// note counts a request that does not write. A watch that begins with a list is both.
func (g *gate) note(query url.Values) {
	if query.Get("watch") == "" || query.Get("sendInitialEvents") != "" {
		g.reads++
	}
	if query.Get("watch") != "" {
		g.watches++
	}
}

// readsSoFar returns how many reads there were, and how many watches.
func (g *gate) readsSoFar() (reads, watches int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads, g.watches
}

// close cuts every connection and takes no new one until it is opened.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for c := range g.conns {
		_ = c.Close() // the other end may have been faster
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}
