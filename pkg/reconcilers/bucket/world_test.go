package bucket_test

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/identity/identitytest"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/reconcilers/bucket"
	"github.com/fluxd/fluxd/pkg/reconcilers/reconcilertest"
	"github.com/fluxd/fluxd/pkg/sources/bucket/buckettest"
	"github.com/fluxd/fluxd/pkg/transport"
)

// TestMain has the certificate of all test servers trusted by the system, for the
// providers whose spec names no certificates.
func TestMain(m *testing.M) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	f, err := os.CreateTemp("", "roots-*.pem")
	if err == nil {
		_, err = f.Write(certificate)
	}
	if err == nil {
		err = os.Setenv("SSL_CERT_FILE", f.Name())
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = f.Close()
	_ = os.Remove(f.Name())
	os.Exit(code)
}

// world is a store of every provider, and a reconciler with its Secrets.
type world struct {
	t       *testing.T
	s3      *buckettest.S3
	gcs     *buckettest.GCS
	azure   *buckettest.Azure
	azures  []string // hosts of Azure
	clouds  *identitytest.Clouds
	store   *artifacts.Store
	secrets secrets
	limits  artifacts.Limits
	budget  int64 // of the store; the default if zero
	options identity.Options
	plugin  reconcilers.Plugin
	bytes   atomic.Int64
}

// secrets holds the data of Secrets by namespace/name.
type secrets map[string]map[string]string

func (s secrets) Secret(_ context.Context, namespace, name string) (map[string][]byte, string, error) {
	values, ok := s[namespace+"/"+name]
	if !ok {
		return nil, "", apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	data := map[string][]byte{}
	for key, value := range values {
		data[key] = []byte(value)
	}
	return data, "Opaque", nil
}

const (
	accessKey = "AKIAEXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, s3: buckettest.NewS3(false), gcs: buckettest.NewGCS(), azure: buckettest.NewAzure(true),
		clouds: identitytest.New(t), secrets: secrets{"ns/keys": {"accesskey": accessKey, "secretkey": secretKey}},
	}
	t.Cleanup(w.s3.Server.Close)
	t.Cleanup(w.gcs.Server.Close)
	t.Cleanup(w.azure.Server.Close)
	w.s3.Access, w.s3.Secret = accessKey, secretKey
	w.azures = []string{"127.0.0.1"}
	w.options = identity.Options{
		Transport: w.clouds.Transport, Accounts: w.clouds, ObjectLevel: true,
		Env: func(string) string { return "" }, CacheSize: 10,
	}
	w.restart()
	return w
}

// restart makes memory cold.
func (w *world) restart() {
	w.t.Helper()
	store, err := artifacts.New(artifacts.Options{Budget: w.budget})
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = store
	w.plugin = bucket.Plugin(attempt.Config{
		Store: store, Secrets: w.secrets, Clouds: identity.New(w.options), Hosts: transport.NewHosts(), BaseURL: "http://source/", Limits: w.limits,
		Received: func(_ artifacts.Owner, n int64) { w.bytes.Add(n) },
	}, bucket.Options{GoogleEndpoint: w.gcs.Server.URL, AzureDomains: w.azures})
}

func (w *world) put(files map[string]string) {
	for key, content := range files {
		w.s3.Put(key, content)
		w.gcs.Put(key, content)
		w.azure.Put(key, content)
	}
}

// object returns a Bucket of the provider generic.
func (w *world) object() *v1.Bucket {
	o := &v1.Bucket{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "apps", Generation: 1},
		Spec: v1.BucketSpec{
			Provider: v1.BucketProviderGeneric, BucketName: "apps", Endpoint: w.s3.Endpoint(), Insecure: true,
			Interval: metav1.Duration{Duration: time.Minute}, Timeout: &metav1.Duration{Duration: 10 * time.Second},
			SecretRef: &api.LocalObjectReference{Name: "keys"},
		},
	}
	o.SetGroupVersionKind(api.BucketGVK)
	return o
}

func (w *world) reconcile(o *v1.Bucket) (reconcilers.Result, error) {
	w.t.Helper()
	return reconcilertest.Reconcile(w.t.Context(), w.t, w.plugin, o)
}

func (w *world) ready(o *v1.Bucket) reconcilers.Result {
	w.t.Helper()
	result, err := w.reconcile(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

var owner = artifacts.Owner{Kind: "Bucket", Namespace: "ns", Name: "apps"}

// holds says whether the store has the artifact of the status.
func (w *world) holds(o *v1.Bucket) bool {
	return o.Status.Artifact != nil && w.store.Has(owner, o.Status.Artifact.Digest)
}
