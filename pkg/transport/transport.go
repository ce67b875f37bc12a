package transport

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Options are what is special about one source.
type Options struct {
	// TLS is for https; nil means the defaults.
	TLS *tls.Config
	// Proxy is an http, https or socks5 URL; nil means what the environment says.
	Proxy *url.URL
	// Parallel is how many requests the source has at once. As many connections to
	// a host are kept between two of them; four if zero.
	Parallel int
	// Received is told of the bytes of answers, in portions. It may be nil.
	Received func(bytes int64)
}

// Transport is an [http.RoundTripper] for one source.
type Transport struct {
	hosts    *Hosts
	next     *http.Transport
	received func(int64)
}

// Transport returns one for a source.
func (h *Hosts) Transport(o Options) *Transport {
	t := &Transport{hosts: h, next: h.common, received: o.Received}
	if o.TLS != nil || o.Proxy != nil || o.Parallel != 0 {
		t.next = newRoundTripper(o)
	}
	return t
}

// Close frees connections that nobody else can use.
func (t *Transport) Close() {
	if t.next != t.hosts.common {
		t.next.CloseIdleConnections()
	}
}

func newRoundTripper(o Options) *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, Control: Guard}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        o.TLS,
		TLSHandshakeTimeout:    15 * time.Second,
		ResponseHeaderTimeout:  time.Minute,
		IdleConnTimeout:        15 * time.Second,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    cmp.Or(o.Parallel, 4),
		MaxResponseHeaderBytes: 1 << 20,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // done by Transport, which counts what is sent
	}
	if o.Proxy != nil {
		t.Proxy = http.ProxyURL(o.Proxy)
	}
	return t
}

// RoundTrip implements [http.RoundTripper]. It returns a [BusyError] where the host
// has asked, or asks with this answer, for a pause.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := guardHost(req.URL.Hostname()); err != nil {
		closeBody(req)
		return nil, err
	}
	leave, err := t.hosts.enter(req.Context(), req.URL.Host)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	defer leave()
	unpack := acceptsAnything(req)
	if unpack {
		req = req.Clone(req.Context()) // a RoundTripper must not change what it is given
		req.Header.Set("Accept-Encoding", "gzip")
	}
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if long := asksToWait(res, time.Now()); long > 0 {
		_ = res.Body.Close() // nobody reads it
		return nil, &BusyError{Host: req.URL.Host, Until: t.hosts.pause(req.URL.Host, long)}
	}
	t.count(headerBytes(res))
	res.Body = &meter{ReadCloser: res.Body, report: t.count}
	if unpack && res.Header.Get("Content-Encoding") == "gzip" {
		unpackBody(res)
	}
	return res, nil
}

func (t *Transport) count(bytes int64) {
	if t.received != nil && bytes > 0 {
		t.received(bytes)
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the contract of a RoundTripper; there is nothing to lose
	}
}
