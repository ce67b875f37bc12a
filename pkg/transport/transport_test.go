package transport_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/transport"
)

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func get(ctx context.Context, c *http.Client, url string, header ...string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// A host that asks for a pause gets one, from every source, and others do not.
func TestRetryAfter(t *testing.T) {
	for name, header := range map[string]string{
		"seconds": "120", "a date": time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat),
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			busy := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				rw.Header().Set("Retry-After", header)
				rw.WriteHeader(http.StatusTooManyRequests)
			})
			free := serve(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "here") })
			hosts := transport.NewHosts()
			for i := range 3 {
				_, err := get(t.Context(), transport.NewClient(hosts.Transport(transport.Options{})), busy.URL)
				if wait := transport.RetryAfter(err); wait < time.Minute || wait > 2*time.Minute {
					t.Errorf("request %d: wait %s after %v, want almost two minutes", i, wait, err)
				}
			}
			if got := asked.Load(); got != 1 {
				t.Errorf("the host was asked %d times, want once", got)
			}
			if body, err := get(t.Context(), transport.NewClient(hosts.Transport(transport.Options{})), free.URL); body != "here" || err != nil {
				t.Errorf("the other host says %q, %v", body, err)
			}
		})
	}
}

// What does not ask for a pause is the caller's to judge.
func TestAnswersWithoutAPause(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		header string
	}{
		"too many requests, without a time": {http.StatusTooManyRequests, ""},
		"unavailable, with nonsense":        {http.StatusServiceUnavailable, "soon"},
		"unavailable, in the past":          {http.StatusServiceUnavailable, time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)},
		"not found, with a time":            {http.StatusNotFound, "60"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Retry-After", tt.header)
				rw.WriteHeader(tt.status)
			})
			client := transport.NewClient(transport.NewHosts().Transport(transport.Options{}))
			for range 2 {
				res, err := client.Get(s.URL)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != tt.status {
					t.Errorf("the status is %d, want %d", res.StatusCode, tt.status)
				}
			}
		})
	}
}

// No more than 32 requests await an answer of one host.
func TestRequestsAtOnce(t *testing.T) {
	var now, most atomic.Int32
	proceed := make(chan struct{})
	arrived := make(chan struct{}, 100)
	s := serve(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		arrived <- struct{}{}
		<-proceed
		now.Add(-1)
	})
	client := transport.NewClient(transport.NewHosts().Transport(transport.Options{}))
	done := make(chan error, 100)
	for range 100 {
		go func() {
			_, err := get(t.Context(), client, s.URL)
			done <- err
		}()
	}
	for range 32 {
		<-arrived
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := get(ctx, client, s.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("who stops waiting gets %v", err)
	}
	close(proceed)
	for range 100 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := most.Load(); got > 32 {
		t.Errorf("%d requests at once, want 32 at most", got)
	}
}

// Bytes are counted as they came, compressed.
func TestReceived(t *testing.T) {
	text := strings.Repeat("all work and no play ", 10_000)
	s := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			fmt.Fprint(rw, text)
			return
		}
		rw.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(rw)
		fmt.Fprint(z, text)
		_ = z.Close()
	})
	for name, tt := range map[string]struct {
		header      []string
		least, most int64
	}{
		"compressed":        {nil, 500, 10_000},
		"as the caller had": {[]string{"Accept-Encoding", "identity"}, int64(len(text)), int64(len(text)) + 1000},
	} {
		t.Run(name, func(t *testing.T) {
			var received atomic.Int64
			client := transport.NewClient(transport.NewHosts().Transport(transport.Options{Received: func(n int64) { received.Add(n) }}))
			body, err := get(t.Context(), client, s.URL, tt.header...)
			if err != nil || body != text {
				t.Fatalf("%d bytes, %v", len(body), err)
			}
			if got := received.Load(); got < tt.least || got > tt.most {
				t.Errorf("%d bytes were counted, want %d to %d", got, tt.least, tt.most)
			}
		})
	}
}

// Credentials stay with the origin they were given for.
func TestRedirects(t *testing.T) {
	var seen atomic.Pointer[http.Header]
	end := func(rw http.ResponseWriter, r *http.Request) {
		header := r.Header.Clone()
		seen.Store(&header)
		fmt.Fprint(rw, "end")
	}
	other := serve(t, end)
	var own *httptest.Server
	own = serve(t, func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(rw, r, own.URL+"/end?token=hidden", http.StatusFound)
		case "/other":
			http.Redirect(rw, r, other.URL, http.StatusFound)
		case "/loop":
			http.Redirect(rw, r, "/loop", http.StatusFound)
		default:
			end(rw, r)
		}
	})
	safe := httptest.NewTLSServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer safe.Close()
	tls := safe.Client().Transport.(*http.Transport).TLSClientConfig
	client := transport.NewClient(transport.NewHosts().Transport(transport.Options{TLS: tls}))
	for name, tt := range map[string]struct {
		url  string
		auth string
		err  error
	}{
		"to the same origin":     {own.URL + "/same", "Basic secret", nil},
		"to another port":        {own.URL + "/other", "", nil},
		"for ever":               {own.URL + "/loop", "", transport.ErrRedirects},
		"from https to http":     {safe.URL, "", transport.ErrDowngrade},
		"nowhere, to be certain": {own.URL + "/end", "Basic secret", nil},
	} {
		t.Run(name, func(t *testing.T) {
			seen.Store(&http.Header{})
			_, err := get(t.Context(), client, tt.url, "Authorization", "Basic secret")
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if got := seen.Load().Get("Authorization"); got != tt.auth {
				t.Errorf("credentials %q arrived, want %q", got, tt.auth)
			}
			if got := seen.Load().Get("Referer"); got != "" {
				t.Errorf("the referer %q arrived", got)
			}
		})
	}
}

func TestServesCredentials(t *testing.T) {
	for address, want := range map[string]bool{
		"169.254.169.254": true, "::ffff:169.254.169.254": true, "fd00:ec2::254": true, "64:ff9b::a9fe:a9fe": true, "169.254.169.252": true, "64:ff9b::a00:1": false, "169.254.20.10": false, "127.0.0.1": false, "10.0.0.1": false, "2001:db8::1": false,
	} {
		if got := transport.ServesCredentials(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %t, want %t", address, got, want)
		}
	}
	client := transport.NewClient(transport.NewHosts().Transport(transport.Options{}))
	if _, err := get(t.Context(), client, "http://169.254.169.254/latest/"); !errors.Is(err, transport.ErrAddress) {
		t.Errorf("got %v, want a refusal", err)
	}
	// A proxy is asked for no such address either.
	var asked atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client = transport.NewClient(transport.NewHosts().Transport(transport.Options{Proxy: through}))
	if _, err := get(t.Context(), client, "http://[::ffff:169.254.169.254]/latest/"); !errors.Is(err, transport.ErrAddress) || asked.Load() {
		t.Errorf("got %v through a proxy, which was asked: %t", err, asked.Load())
	}
}

func TestSameOrigin(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"https://a.test/x", "https://a.test:443/y"}: true,
		{"https://a.test", "http://a.test"}:          false,
		{"https://a.test", "https://b.a.test"}:       false,
		{"http://a.test:80", "http://a.test"}:        true,
		{"http://a.test:81", "http://a.test"}:        false,
	} {
		a, _ := url.Parse(pair[0])
		b, _ := url.Parse(pair[1])
		if got := transport.SameOrigin(a, b); got != want {
			t.Errorf("%v: %t, want %t", pair, got, want)
		}
	}
}
