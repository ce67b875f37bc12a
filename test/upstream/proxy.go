package upstream

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
)

// ProxyOptions say what proxy to start.
type ProxyOptions struct {
	// Username and Password are demanded of everybody.
	Username, Password string
	// Hosts are the addresses, as host:port, of hosts that only the proxy knows.
	Hosts map[string]string
}

// Proxy is an HTTP proxy, through which there is no way but to loopback. Its door
// counts the requests for http URLs, with the path of these, and as CONNECT those
// for a tunnel.
type Proxy struct {
	*Door
	options ProxyOptions
}

// StartProxy serves a proxy until Close.
func StartProxy(o ProxyOptions) (*Proxy, error) {
	p := &Proxy{options: o}
	forward := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
		Transport: &http.Transport{DialContext: p.dial, DisableCompression: true},
		ErrorLog:  silent,
	}
	var err error
	p.Door, err = newDoor(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !p.knows(r):
			w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
			http.Error(w, "who are you", http.StatusProxyAuthRequired)
		case r.Method == http.MethodConnect:
			p.tunnel(w, r)
		case r.URL.Host == "":
			http.Error(w, "this is a proxy", http.StatusBadRequest)
		default:
			forward.ServeHTTP(w, r)
		}
	}), Security{})
	return p, err
}

func (p *Proxy) knows(r *http.Request) bool {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.options.Username+":"+p.options.Password))
	return p.options.Username == "" || r.Header.Get("Proxy-Authorization") == want
}

// dial connects to a host that the proxy knows, or to one on loopback.
func (p *Proxy) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if known, ok := p.options.Hosts[host]; ok {
		address = known
	} else if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%s is not for tests", host)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// tunnel copies bytes both ways until either end is done.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	far, err := p.dial(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer far.Close()
	w.WriteHeader(http.StatusOK)
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	go func() {
		_, _ = io.Copy(far, buffered) // it ends with the tunnel
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
}
