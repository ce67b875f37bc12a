package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// Limits of the connection to another cluster.
const (
	remoteTimeout   = 30 * time.Second // of one request, with its answer
	remoteHandshake = 10 * time.Second
	remoteIdle      = 90 * time.Second // until an unused connection is closed
	remoteConns     = 8
)

// ErrContacting says that somebody else is finding out whether a cluster answers.
var ErrContacting = errors.New("the connection to the cluster is being made")

// errRedirect refuses to follow: nobody who asks an API server expects it, and the
// credentials would go along.
var errRedirect = errors.New("the server redirects to another address, which is not followed")

// RemoteOptions say how another cluster is reached.
type RemoteOptions struct {
	Scheme    *runtime.Scheme
	UserAgent string
	// Dial opens connections; nil means any.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Token returns the bearer token of a request; nil means that the configuration
	// has all credentials.
	Token func(ctx context.Context) (string, error)
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

// Remote are the connections to a cluster that is somebody else's: it may be slow,
// away or hostile. It shares nothing with any other.
//
// A request ends after 30 seconds, an answer is bounded, and a redirect is refused.
// A cluster that does not answer is not asked again for a while, and whoever tries
// gets the error at once, so that many objects cannot wait for it one after another.
type Remote struct {
	*Clients
	transport *http.Transport
	link      *link

	mu   sync.Mutex // guards the fields below
	busy bool       // somebody finds out whether it answers
	met  bool       // it has answered
}

// NewRemote prepares the connections that config describes. No request is made.
func NewRemote(config *rest.Config, o RemoteOptions) (*Remote, error) {
	config = rest.CopyConfig(config)
	config.UserAgent, config.Timeout = o.UserAgent, remoteTimeout
	tls, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("set up the connection: %w", err)
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: remoteHandshake, KeepAlive: 30 * time.Second}).DialContext
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	// Not by client-go, which would keep the transport for as long as the process runs.
	t := utilnet.SetTransportDefaults(&http.Transport{
		Proxy: config.Proxy, DialContext: o.Dial, TLSClientConfig: tls, DisableCompression: config.DisableCompression,
		TLSHandshakeTimeout: remoteHandshake, IdleConnTimeout: remoteIdle, MaxIdleConnsPerHost: remoteConns,
	})
	r := &Remote{transport: t, link: newLink(t, o.Now)}
	config.RateLimiter = r.link.pace
	rt, err := rest.HTTPWrappersForConfig(config, r.link)
	if err != nil {
		return nil, fmt.Errorf("set up the connection: %w", err)
	}
	if o.Token != nil {
		rt = tokens{base: rt, token: o.Token}
	}
	client := &http.Client{
		Transport: rt, Timeout: remoteTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}
	r.Clients, err = newClients(config, client, o.Scheme)
	return r, err
}

// Contact makes sure that the cluster answers, unless that is known. One caller asks
// it at a time, others get [ErrContacting]; after a failure all of them get that error
// for a while, an [*UnreachableError] if there was no answer.
func (r *Remote) Contact(ctx context.Context) error {
	r.mu.Lock()
	err, again := r.link.state()
	switch {
	case err != nil && !again:
	case err == nil && r.met:
	case r.busy:
		err = ErrContacting
	default:
		r.busy = true
		r.mu.Unlock()
		err = r.Mapper.load(ctx)
		if silent, _ := r.link.state(); err != nil && silent != nil {
			err = silent
		}
		r.mu.Lock()
		r.busy, r.met = false, err == nil
	}
	r.mu.Unlock()
	return err
}

// Close closes the connections that are not in use.
func (r *Remote) Close() { r.transport.CloseIdleConnections() }

// tokens adds a bearer token to each request.
type tokens struct {
	base  http.RoundTripper
	token func(context.Context) (string, error)
}

// RoundTrip implements [http.RoundTripper].
func (t tokens) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := t.token(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // it was not read
		}
		return nil, fmt.Errorf("get a token for the cluster: %w", err)
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	return t.base.RoundTrip(req)
}
