package bucket_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/sources/bucket/buckettest"
)

const azureKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq=="

func ref(name string) *api.LocalObjectReference { return &api.LocalObjectReference{Name: name} }

// use gives the object a Secret with the given data.
func (w *world) use(o *v1.Bucket, data map[string]string) {
	w.secrets["ns/own"] = data
	o.Spec.SecretRef = ref("own")
}

// provider makes o one of a provider, without a Secret.
func (w *world) provider(o *v1.Bucket, provider string) {
	o.Spec.Provider, o.Spec.SecretRef = provider, nil
	if provider == v1.BucketProviderAzure {
		o.Spec.Endpoint, o.Spec.Insecure = w.azure.Endpoint(), false
	}
}

// allow lets in the tokens of somebody that end in the given purpose.
func (w *world) allow(whose, purpose string) {
	may := func(token string) bool {
		owner := w.clouds.Owner(token)
		return strings.HasPrefix(owner, whose) && strings.HasSuffix(owner, " for "+purpose)
	}
	w.gcs.Allow, w.azure.Allow = may, may
}

const (
	azureStorage = "https://storage.azure.com/.default"
	gcsReadOnly  = "https://www.googleapis.com/auth/devstorage.read_only"
)

// certificate returns one with its key, in PEM form.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fluxd"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// pfx returns a certificate that nobody trusts with its key, made with openssl for these
// tests. Its password is fixture.
func pfx(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/app.pfx")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestWaysIn reads the bucket by every way there is.
func TestWaysIn(t *testing.T) {
	for name, change := range map[string]func(*world, *v1.Bucket){
		"generic, by keys":               func(*world, *v1.Bucket) {},
		"generic, without spec.provider": func(_ *world, o *v1.Bucket) { o.Spec.Provider = "" },
		"generic, as nobody": func(w *world, o *v1.Bucket) {
			w.s3.Access, o.Spec.SecretRef = "", nil
		},
		"generic, as nobody by empty keys": func(w *world, o *v1.Bucket) {
			w.s3.Access = ""
			w.use(o, map[string]string{"accesskey": "", "secretkey": ""})
		},
		"generic, without a timeout": func(_ *world, o *v1.Bucket) { o.Spec.Timeout = nil },
		"generic, by a login": func(w *world, o *v1.Bucket) {
			w.s3.Token, w.s3.Directory = "session", map[string]string{"jane": "pass"}
			w.secrets["ns/login"] = map[string]string{"username": "jane", "password": "pass"}
			o.Spec.SecretRef = nil
			o.Spec.STS = &v1.BucketSTSSpec{Provider: "ldap", Endpoint: w.s3.Server.URL, SecretRef: ref("login")}
		},
		"generic, by keys although there is a login": func(w *world, o *v1.Bucket) {
			w.secrets["ns/login"] = map[string]string{"username": "jane", "password": "pass"}
			o.Spec.STS = &v1.BucketSTSSpec{Provider: "ldap", Endpoint: "https://nowhere.invalid", SecretRef: ref("login")}
		},
		"aws, by keys": func(_ *world, o *v1.Bucket) { o.Spec.Provider = v1.BucketProviderAWS },
		"aws, by the identity of the process": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAWS)
			env := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey}
			w.options.Env = func(name string) string { return env[name] }
		},
		"aws, by a service account": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAWS)
			o.Spec.ServiceAccountName, o.Spec.Region = "reader", "eu-west-1"
			w.clouds.Annotations["ns/reader"] = map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/reader"}
			// The first thing issued is the token of the cluster, the second the keys.
			w.s3.Access, w.s3.Secret, w.s3.Token, w.s3.Region = "ASIA2", "secret-2", "session-2", "eu-west-1"
		},
		"aws, by a token service of one's own": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAWS)
			o.Spec.ServiceAccountName, o.Spec.Region = "reader", "eu-west-1"
			o.Spec.STS = &v1.BucketSTSSpec{Provider: "aws", Endpoint: "https://vpce-0.sts.eu-west-1.vpce.amazonaws.com"}
			w.clouds.Annotations["ns/reader"] = map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/reader"}
			w.s3.Access, w.s3.Secret, w.s3.Token = "ASIA2", "secret-2", "session-2"
		},
		"gcp, by the key of an account": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderGCP)
			w.use(o, map[string]string{"serviceaccount": string(w.clouds.Account(w.t, "reader@my-project.iam.gserviceaccount.com"))})
			w.allow("reader@my-project", gcsReadOnly)
		},
		"gcp, by the identity of the process": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderGCP)
			w.allow("machine account", "https://www.googleapis.com/auth/cloud-platform,https://www.googleapis.com/auth/userinfo.email")
		},
		"azure, by the key of the account": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.azure.Key = azureKey
			w.use(o, map[string]string{"accountKey": azureKey, "sasKey": "not=used"})
		},
		"azure, by a signature": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.azure.SAS = "si/g="
			w.use(o, map[string]string{"sasKey": "?sv=2021&sig=si%2Fg%3D"})
		},
		"azure, by an application and its secret": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"tenantId": "tenant", "clientId": "client", "clientSecret": "secret of client", "accountKey": "not used"})
			w.allow("application tenant/client", azureStorage)
		},
		"azure, by an application and its certificate": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{
				"tenantId": "tenant", "clientId": "client", "clientCertificate": certificate(w.t), "clientCertificateSendChain": "TRUE",
			})
			w.allow("application tenant/client", azureStorage)
		},
		"azure, by an application and a certificate in PKCS #12": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{
				"tenantId": "tenant", "clientId": "client", "clientCertificateSendChain": "1",
				"clientCertificate": pfx(w.t), "clientCertificatePassword": "fixture",
			})
			w.allow("application tenant/client", azureStorage)
		},
		"azure, by a managed identity": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"clientId": "client"})
			w.allow("managed identity client", "https://storage.azure.com")
		},
		"azure, by a service account": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			o.Spec.ServiceAccountName = "reader"
			w.clouds.Annotations["ns/reader"] = map[string]string{
				"azure.workload.identity/tenant-id": "tenant", "azure.workload.identity/client-id": "client",
			}
			w.allow("application tenant/client", azureStorage)
		},
		"azure, by the identity of the process": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.allow("managed identity", "https://storage.azure.com")
		},
		"azure, by an authority alone": func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"authorityHost": "https://login.microsoftonline.com"})
			w.allow("managed identity", "https://storage.azure.com")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(map[string]string{"a.yaml": "a", "dir/b.yaml": "b"})
			o := w.object()
			change(w, o)
			w.restart()
			w.ready(o)
			tree, release, err := w.store.Open(owner, o.Status.Artifact.Digest)
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			if tree.Len() != 2 {
				t.Errorf("the tree has %d files, want 2", tree.Len())
			}
			w.ready(o) // from what is remembered, without asking clouds again
			if why := slices.Concat(w.s3.Refused(), w.gcs.Refused(), w.azure.Refused()); len(why) > 0 {
				t.Errorf("requests were refused: %v", why)
			}
		})
	}
}

// TestCertificates reads from a server that a private authority vouches for, and that
// asks for a certificate.
func TestCertificates(t *testing.T) {
	private := buckettest.NewS3(true)
	t.Cleanup(private.Server.Close)
	private.Put("a", "a")
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: private.Server.Certificate().Raw}))
	for name, tt := range map[string]struct {
		data     map[string]string
		insecure bool
		ok       bool
	}{
		"the authority":            {map[string]string{"ca.crt": authority}, false, true},
		"the authority's old name": {map[string]string{"caFile": authority}, false, true},
		"no authority that is one": {map[string]string{"ca.crt": "x"}, false, false},
		"nothing":                  {map[string]string{}, false, false},
		"half a certificate":       {map[string]string{"tls.crt": authority}, false, false},
		"in the clear, after all":  {map[string]string{"ca.crt": authority}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.object()
			o.Spec.Endpoint, o.Spec.Insecure, o.Spec.SecretRef = private.Endpoint(), tt.insecure, nil
			o.Spec.CertSecretRef = ref("cert")
			w.secrets["ns/cert"] = tt.data
			if _, err := w.reconcile(o); (err == nil) != tt.ok {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestAProxy(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a"})
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Proxy-Authorization"))
		w.s3.ServeHTTP(rw, r)
	}))
	t.Cleanup(proxy.Close)
	o := w.object()
	o.Spec.Endpoint = "store.invalid:9000" // nobody but the proxy can know
	o.Spec.ProxySecretRef = ref("proxy")
	w.secrets["ns/proxy"] = map[string]string{"address": proxy.URL, "username": "u", "password": "p"}
	w.ready(o)
	if len(asked) != 2 || asked[0] != "Basic dTpw" {
		t.Errorf("the proxy was asked %q", asked)
	}
}

func TestAnExpiredCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(-time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	w := newWorld(t)
	o := w.object()
	o.Spec.Endpoint, o.Spec.Insecure, o.Spec.CertSecretRef = strings.TrimPrefix(server.URL, "https://"), false, ref("cert")
	w.secrets["ns/cert"] = map[string]string{"ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
	if _, err := w.reconcile(o); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("the error is %v", err)
	}
}
