package oci_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/oci/ocitest"
	"github.com/fluxd/fluxd/pkg/transport"
)

// pair is a certificate with its key.
func pair(t *testing.T, until time.Time, use x509.ExtKeyUsage) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{use},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, parsed
}

// serve serves a registry with a certificate of its own.
func serve(t *testing.T, r *ocitest.Registry, config *tls.Config) (host string) {
	t.Helper()
	server := httptest.NewUnstartedServer(r)
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "https://")
}

func pool(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}

func TestCertificates(t *testing.T) {
	registry := newRegistry(t)
	registry.PushFiles(apps, "latest", nil)
	good, authority := pair(t, time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth)
	old, oldAuthority := pair(t, time.Now().Add(-time.Hour), x509.ExtKeyUsageServerAuth)
	client, clientAuthority := pair(t, time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth)
	plainly := &tls.Config{Certificates: []tls.Certificate{good}}
	mutual := &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(clientAuthority)}
	tests := map[string]struct {
		server, client *tls.Config
		text           string // of the error, empty for none
	}{
		"good":                         {plainly, &tls.Config{RootCAs: pool(authority)}, ""},
		"expired":                      {&tls.Config{Certificates: []tls.Certificate{old}}, &tls.Config{RootCAs: pool(oldAuthority)}, "expired"},
		"of nobody who is trusted":     {plainly, nil, "certificate signed by unknown authority"},
		"with one of the client":       {mutual, &tls.Config{RootCAs: pool(authority), Certificates: []tls.Certificate{client}}, ""},
		"without one of the client":    {mutual, &tls.Config{RootCAs: pool(authority)}, "certificate required"},
		"with another one of a client": {mutual, &tls.Config{RootCAs: pool(authority), Certificates: []tls.Certificate{good}}, "tls"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			host := serve(t, registry, test.server)
			own := transport.NewHosts().Transport(transport.Options{TLS: test.client})
			t.Cleanup(own.Close)
			r, err := oci.Open("oci://"+host+"/"+apps, oci.Options{Transport: own})
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Resolve(t.Context(), oci.Ref{})
			if test.text == "" && err != nil || test.text != "" && (err == nil || !strings.Contains(err.Error(), test.text)) {
				t.Errorf("got %v, want %q", err, test.text)
			}
		})
	}
}

func TestProxies(t *testing.T) {
	registry := newRegistry(t)
	registry.PushFiles(apps, "latest", nil)
	seen := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": {req.Header.Get("Proxy-Authorization")}}}).BasicAuth()
		if seen = user + ":" + password; req.Method == http.MethodConnect || seen != "me:"+password {
			http.Error(w, "only plain requests", http.StatusMethodNotAllowed)
			return
		}
		registry.ServeHTTP(w, req)
	}))
	t.Cleanup(proxy.Close)
	to, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	to.User = url.UserPassword("me", password)
	own := transport.NewHosts().Transport(transport.Options{Proxy: to})
	t.Cleanup(own.Close)
	r, err := oci.Open("oci://registry.invalid/"+apps, oci.Options{Transport: plain{own}, Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), oci.Ref{}); err != nil || seen != "me:"+password {
		t.Errorf("the proxy saw %q: %v", seen, err)
	}
	proxy.Close()
	_, err = r.Resolve(t.Context(), oci.Ref{})
	if err == nil {
		t.Error("it went past the proxy")
	}
	leaks(t, err, password)
}

func TestBusyRegistries(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		registry := newRegistry(t)
		registry.PushFiles(apps, "latest", nil)
		registry.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(status)
			return true
		})
		r := open(t, registry.URL(apps), oci.Options{})
		for range 2 {
			_, err := r.Resolve(t.Context(), oci.Ref{})
			if _, busy := errors.AsType[*transport.BusyError](err); !busy || transport.RetryAfter(err) < time.Minute {
				t.Errorf("%d: got %v", status, err)
			}
		}
		if n := len(registry.Requests()); n != 1 {
			t.Errorf("%d: the registry was asked %d times", status, n)
		}
	}
}

func TestDrippingServers(t *testing.T) {
	registry := newRegistry(t)
	layer := ocitest.TarGz(file("a", "1"))
	registry.Push(apps, "latest", ocitest.Image{Layers: []ocitest.Layer{{Content: layer}}})
	registry.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/blobs/") {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(layer)))
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for _, b := range layer {
			_, _ = w.Write([]byte{b})
			w.(http.Flusher).Flush()
			select {
			case <-req.Context().Done():
				return true
			case <-tick.C:
			}
		}
		return true
	})
	_, _, err := extract(soon(t), open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{}, "")
	if !errors.Is(err, oci.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestAnswersWithoutEnd(t *testing.T) {
	endless := func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", ocitest.DigestOf(nil))
		chunk := []byte(strings.Repeat(" ", 64<<10))
		for req.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	for name, part := range map[string]string{"tags": "/tags/", "manifest": "/manifests/", "token": "/token"} {
		t.Run(name, func(t *testing.T) {
			registry := newRegistry(t)
			registry.PushFiles(apps, "1.0.0", nil)
			if name == "token" {
				registry.RequireToken("", "")
			}
			registry.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
				hit := strings.Contains(req.URL.Path, part) && req.Method == http.MethodGet
				if hit {
					endless(w, req)
				}
				return hit
			})
			_, _, err := extract(t.Context(), open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{SemVer: "1.x"}, "")
			if err == nil {
				t.Error("it ended")
			}
		})
	}
}
