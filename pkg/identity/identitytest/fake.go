package identitytest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Call is one request that reached a cloud.
type Call struct {
	Method string
	// URL is the request as the client meant it, with scheme and host.
	URL    string
	Header http.Header
	Form   url.Values
	Body   string
	// Proxy is what the client wanted to go through, "" for what the environment
	// says.
	Proxy string
}

// Clouds are the fakes. All hosts of the world are one of them or unreachable.
type Clouds struct {
	// Now is the clock by which tokens end.
	Now func() time.Time
	// Life is that of everything that is issued; an hour if zero.
	Life time.Duration
	// Annotations are those of the ServiceAccounts there are, by namespace/name.
	Annotations map[string]map[string]string
	// Cluster, if not nil, says whose a token is that was not issued here, and what it is
	// meant for.
	Cluster func(token string) (whose, audience string)

	https, http *httptest.Server

	mu       sync.Mutex // guards the fields below
	calls    []Call
	replaced map[string]http.HandlerFunc
	clusters map[string]Plane  // by full name
	keys     map[string]awsKey // by access key
	tokens   map[string]string // token -> whose, or for whom
	issued   int
}

// New returns clouds that are closed with the test.
func New(t testing.TB) *Clouds {
	c := &Clouds{
		Now: time.Now, Annotations: make(map[string]map[string]string),
		replaced: make(map[string]http.HandlerFunc), clusters: make(map[string]Plane), keys: make(map[string]awsKey), tokens: make(map[string]string),
	}
	c.https, c.http = httptest.NewTLSServer(c.Handler("https")), httptest.NewServer(c.Handler("http"))
	t.Cleanup(c.https.Close)
	t.Cleanup(c.http.Close)
	return c
}

// Handler answers for all hosts, as they are reached by the given scheme.
func (c *Clouds) Handler(scheme string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(scheme, w, r) })
}

// Transport returns what reaches the fakes, whatever the host; it fits
// Options.Transport of package identity.
func (c *Clouds) Transport(proxy *url.URL) http.RoundTripper {
	dial := func(address string) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: dial(c.http.Listener.Addr().String())}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // the host is not that of the certificate
		return d.DialContext(ctx, network, c.https.Listener.Addr().String())
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if proxy != nil {
			r = r.Clone(r.Context())
			r.Header.Set("X-Test-Proxy", cmpOr(proxy.String(), "none"))
		}
		return t.RoundTrip(r)
	})
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Handle replaces what a host answers; nil makes it the cloud again.
func (c *Clouds) Handle(host string, h http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replaced[host] = h
}

// Calls returns what was called since the last time, and forgets it.
func (c *Clouds) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

// Hosts returns the hosts of Calls, in order.
func (c *Clouds) Hosts() []string {
	var hosts []string
	for _, call := range c.Calls() {
		u, err := url.Parse(call.URL)
		if err != nil {
			hosts = append(hosts, call.URL)
			continue
		}
		hosts = append(hosts, u.Host)
	}
	return hosts
}

func (c *Clouds) serve(scheme string, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	call := Call{
		Method: r.Method, URL: scheme + "://" + r.Host + r.URL.RequestURI(), Header: r.Header.Clone(),
		Body: string(body), Proxy: r.Header.Get("X-Test-Proxy"),
	}
	r.Header.Del("X-Test-Proxy")
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		call.Form, _ = url.ParseQuery(call.Body)
	}
	c.mu.Lock()
	c.calls = append(c.calls, call)
	h := c.replaced[r.Host]
	c.mu.Unlock()
	if h == nil {
		h = c.cloud(scheme, r.Host, call)
	}
	h(w, r)
}

// cloud finds who answers for a host.
func (c *Clouds) cloud(scheme, host string, call Call) http.HandlerFunc {
	is := func(pattern string) bool {
		parts, want := strings.Split(host, "."), strings.Split(pattern, ".")
		return len(parts) == len(want) && slices.EqualFunc(parts, want, func(a, b string) bool { return b == "*" || a == b })
	}
	secure := scheme == "https"
	switch {
	case secure && (is("sts.*.amazonaws.com") || is("sts.*.amazonaws.com.cn") || strings.HasSuffix(host, ".vpce.amazonaws.com")):
		return c.awsSTS(call)
	case secure && (is("api.ecr.*.amazonaws.com") || is("api.ecr-public.*.amazonaws.com")):
		return c.awsECR(call)
	case secure && is("eks.*.amazonaws.com"):
		return c.awsEKS(call)
	case secure && is("management.azure.com"):
		return c.azureARM(call)
	case secure && is("container.googleapis.com"):
		return c.gcpGKE(call)
	case secure && is("login.microsoftonline.com"):
		return c.azureLogin(call)
	case secure && is("*.azurecr.io"):
		return c.azureRegistry(call)
	case secure && is("sts.googleapis.com"):
		return c.gcpSTS(call)
	case secure && is("iamcredentials.googleapis.com"):
		return c.gcpImpersonate(call)
	case secure && is("oauth2.googleapis.com"):
		return c.gcpLogin(call)
	case is("169.254.169.254"):
		return c.machine(call)
	case is("169.254.170.23"):
		return c.awsAgent(call)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "there is no such host in the world", http.StatusBadGateway)
	}
}

// ServiceAccount fits Accounts of package identity.
func (c *Clouds) ServiceAccount(_ context.Context, namespace, name string) (map[string]string, bool, error) {
	annotations, ok := c.Annotations[namespace+"/"+name]
	return annotations, ok, nil
}

// ServiceAccountToken fits Accounts of package identity.
func (c *Clouds) ServiceAccountToken(_ context.Context, namespace, name string, audiences []string) (string, error) {
	if _, ok := c.Annotations[namespace+"/"+name]; !ok {
		return "", errors.New("not found")
	}
	return c.Issue("cluster token of "+namespace+"/"+name, strings.Join(audiences, ",")), nil
}

// Issue returns a token that the clouds take for one of somebody, meant for an
// audience.
func (c *Clouds) Issue(whose, audience string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issued++
	token := fmt.Sprintf("token-%d", c.issued)
	c.tokens[token] = whose + " for " + audience
	return token
}

// Owner returns whose a token is and what it is for, "" if nobody issued it.
func (c *Clouds) Owner(token string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if owner, issued := c.tokens[token]; issued || c.Cluster == nil {
		return owner
	}
	whose, audience := c.Cluster(token)
	return whose + " for " + audience
}

func (c *Clouds) ends() time.Time {
	life := c.Life
	if life == 0 {
		life = time.Hour
	}
	return c.Now().Add(life)
}
