package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
)

// A daemon that starts before the API server is there, or on a node whose clock is behind,
// so that no certificate is valid yet, waits, says what for, and goes on by itself.
func TestStartTooEarly(t *testing.T) {
	elects := []string{"--enable-leader-election", "--leader-election-retry-period=200ms"}
	for name, test := range map[string]struct {
		flags  []string
		early  bool // the certificate is not valid yet
		strict bool // everything is forbidden, as by an API server that has yet to read its rules
		says   string
	}{
		"nobody":         {says: "connection refused"},
		"nobody-elected": {flags: elects, says: "connection refused"},
		"clock":          {early: true, says: "not yet valid"},
		"clock-elected":  {flags: elects, early: true, says: "not yet valid"},
		"rules":          {strict: true, says: "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1")}, test.flags...)
			w.install()
			address, err := program.FreeAddress()
			if err != nil {
				t.Fatal(err)
			}
			config, err := clientcmd.LoadFromFile(w.gate.kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			server, clock := &api.Cluster{Server: "http://" + address}, newClock(t)
			if test.early {
				server.Server, server.CertificateAuthorityData = "https://"+address, clock.authority
				w.serve(address, &tls.Config{GetCertificate: clock.certificate}, w.gate)
			}
			if test.strict {
				w.serve(address, nil, clock.rules(w.gate))
			}
			w.gate.kubeconfig = routeTo(t, server, config.AuthInfos["gate"].Token)
			w.start()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := w.daemon.Logged(ctx, test.says); err != nil {
				t.Fatal(err)
			}
			if alive, ready := w.daemon.Probes(); !alive || ready {
				t.Errorf("it is alive: %t, ready: %t", alive, ready)
			}
			clock.set.Store(true)
			if !test.early && !test.strict {
				w.serve(address, nil, w.gate)
			}
			w.waitFor(2*patience, harness.Kustomized, "app", harness.Ready)
			if err := w.daemon.Ready(ctx); err != nil {
				t.Error(err)
			}
			w.patch(harness.ConfigMaps, "config", map[string]any{"data": map[string]any{"key": "edited"}})
			w.wait(harness.ConfigMaps, "config", data("key", "1"))
		})
	}
}

// serve opens the gate, or what stands before it, at one more address.
func (w *ownWorld) serve(address string, secure *tls.Config, handler http.Handler) {
	w.t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)} // clients refuse the certificate
	go func() { _ = server.Serve(listener) }()                                     // ends with Close
	w.t.Cleanup(func() { _ = server.Close() })
}

// clock is the way of a node's clock: the certificate of a server is not valid yet until it
// is set.
type clock struct {
	set          atomic.Bool
	early, valid tls.Certificate
	authority    []byte // in PEM
}

func newClock(t *testing.T) *clock {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(from time.Time) []byte {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: "late"}, NotBefore: from, NotAfter: from.Add(24 * time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	early, valid := sign(time.Now().Add(time.Hour)), sign(time.Now().Add(-time.Hour))
	return &clock{
		early: tls.Certificate{Certificate: [][]byte{early}, PrivateKey: key}, valid: tls.Certificate{Certificate: [][]byte{valid}, PrivateKey: key},
		authority: append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: early}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: valid})...),
	}
}

// certificate is that of the server as of now.
func (c *clock) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.set.Load() {
		return &c.valid, nil
	}
	return &c.early, nil
}

// rules forbid everything before the clock is set.
func (c *clock) rules(then http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if c.set.Load() {
			then.ServeHTTP(rw, req)
			return
		}
		status(http.StatusForbidden, "Forbidden", `User "fluxd" cannot do anything: it is forbidden`)(rw)
	})
}
