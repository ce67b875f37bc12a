package gitrepository_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/identity/identitytest"
)

const (
	codeCommit = "git-codecommit.eu-west-1.amazonaws.com"
	devOps     = "dev.azure.com"
	role       = "arn:aws:iam::123456789012:role/reader"
)

// clouds gives the world the Git services of clouds: behind a proxy that leads
// there, with certificates for their names, they serve the repository to whoever is
// allowed to.
func clouds(w *world, change func(*identity.Options), allowed func(*http.Request) (string, error)) *identitytest.Clouds {
	fake := identitytest.New(w.t)
	o := identity.Options{Accounts: fake, ObjectLevel: true, CacheSize: 10, Transport: fake.Transport, Env: func(string) string { return "" }}
	change(&o)
	w.clouds = identity.New(o)
	w.restart()

	to, err := url.Parse(w.server.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	backend := httputil.NewSingleHostReverseProxy(to)
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, err := allowed(r); err != nil {
			rw.Header().Set("WWW-Authenticate", "Basic")
			http.Error(rw, err.Error(), http.StatusUnauthorized)
			return
		}
		r.Header.Del("Authorization")
		backend.ServeHTTP(rw, r)
	}))
	authority, pair := certificate(w.t, codeCommit, devOps)
	front.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	front.StartTLS()
	w.t.Cleanup(front.Close)
	proxy := httptest.NewServer(tunnel(front.Listener.Addr().String()))
	w.t.Cleanup(proxy.Close)
	w.secrets["ns/ca"] = map[string][]byte{"ca.crt": authority, "username": []byte("ignored"), "password": []byte("ignored")}
	w.secrets["ns/proxy"] = map[string][]byte{"address": []byte(proxy.URL)}
	return fake
}

// tunnel is a proxy that leads everywhere to one address.
func tunnel(address string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(rw, "a proxy for https alone", http.StatusBadRequest)
			return
		}
		to, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		from, buffered, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			_ = to.Close()
			return
		}
		_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { defer to.Close(); _, _ = io.Copy(to, buffered) }()
		go func() { defer from.Close(); _, _ = io.Copy(from, to) }()
	})
}

// certificate returns one for some hosts, which is its own authority.
func certificate(t *testing.T, hosts ...string) ([]byte, tls.Certificate) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: hosts, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// cloudObject returns an object that reads its repository from a cloud.
func cloudObject(w *world, provider, host string) *v1.GitRepository {
	o := w.object()
	o.Spec.Provider, o.Spec.URL = provider, "https://somebody@"+host+"/apps"
	o.Spec.SecretRef, o.Spec.ProxySecretRef = &api.LocalObjectReference{Name: "ca"}, &api.LocalObjectReference{Name: "proxy"}
	return o
}

func TestCloudIdentities(t *testing.T) {
	for name, tt := range map[string]struct {
		provider, host, account string
		who                     string
	}{
		"AWS as a service account": {
			v1.GitProviderAWS, codeCommit, "reader", role + " by cluster token of ns/reader for sts.amazonaws.com",
		},
		"AWS as the process":         {v1.GitProviderAWS, codeCommit, "", "node-role"},
		"Azure as a service account": {v1.GitProviderAzure, devOps, "reader", "application t/c for " + identity.ScopeDevOps},
		"Azure as the process":       {v1.GitProviderAzure, devOps, "", "managed identity  for 499b84ac-1321-427f-aa17-267ca6975798"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(map[string]string{"a.yaml": "a: 1\n"})
			var fake *identitytest.Clouds
			seen := make(map[string]bool)
			fake = clouds(w, func(*identity.Options) {}, func(r *http.Request) (string, error) {
				who, err := "", error(nil)
				if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
					who = fake.Owner(token)
				} else {
					who, err = fake.CodeCommit(r)
				}
				seen[who] = true
				if who == "" && err == nil {
					err = errors.New("who are you?")
				}
				return who, err
			})
			fake.Annotations["ns/reader"] = map[string]string{
				"eks.amazonaws.com/role-arn":        role,
				"azure.workload.identity/tenant-id": "t", "azure.workload.identity/client-id": "c",
			}
			o := cloudObject(w, tt.provider, tt.host)
			o.Spec.ServiceAccountName = tt.account
			w.ready(o)
			if len(seen) != 1 || !seen[tt.who] {
				t.Errorf("the repository saw %v, want %q", seen, tt.who)
			}
			fake.Calls()
			w.ready(o)
			if calls := fake.Calls(); len(calls) > 0 {
				t.Errorf("the second time the cloud is asked again: %d calls", len(calls))
			}
		})
	}
}

func TestCloudIdentitiesThatFail(t *testing.T) {
	for name, tt := range map[string]struct {
		options func(*identity.Options)
		change  func(*v1.GitRepository)
		reason  string
		stalled bool
		text    string
		account string // the default
	}{
		"the gate is off": {
			func(o *identity.Options) { o.ObjectLevel = false }, func(*v1.GitRepository) {}, api.ReasonFeatureGateDisabled, true,
			"please enable the ObjectLevelWorkloadIdentity feature gate", "",
		},
		"no service account": {
			func(*identity.Options) {}, func(o *v1.GitRepository) { o.Spec.ServiceAccountName = "none" }, api.ReasonAuthenticationFailed, false,
			"failed to get service account 'ns/none'", "",
		},
		"no default service account": {
			func(*identity.Options) {}, func(o *v1.GitRepository) { o.Spec.ServiceAccountName = "" },
			api.ReasonAuthenticationFailed, false, "multi-tenant workload identity lockdown", "locked-down",
		},
		"a host that is not of the cloud": {
			func(*identity.Options) {}, func(o *v1.GitRepository) { o.Spec.URL = "https://user:secret-word@evil.example.com/apps" },
			api.ReasonAuthenticationFailed, false, "https://evil.example.com/apps is not the https URL of a CodeCommit repository", "",
		},
		"a repository that refuses": {
			func(*identity.Options) {}, func(*v1.GitRepository) {}, api.ReasonAuthenticationFailed, false, "authentication", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.account = tt.account
			fake := clouds(w, tt.options, func(r *http.Request) (string, error) { return "", errors.New("you may not") })
			fake.Annotations["ns/reader"] = map[string]string{"eks.amazonaws.com/role-arn": role}
			o := cloudObject(w, v1.GitProviderAWS, codeCommit)
			o.Spec.ServiceAccountName = "reader"
			tt.change(o)
			_, err := w.reconcile(o)
			if got := fault.Reason(err, "none"); got != tt.reason {
				t.Fatalf("got reason %s (%v), want %s", got, err, tt.reason)
			}
			if _, stalled := errors.AsType[*fault.StalledError](err); stalled != tt.stalled || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, stalled: %t", err, stalled)
			}
			for _, secret := range []string{"secret-word", "session-", "ASIA"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}
