package attempt_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/reconcilers/reconcilertest"
	"github.com/fluxd/fluxd/pkg/transport"
)

// world is a store and one object of it.
type world struct {
	t      *testing.T
	config attempt.Config
	obj    *v1.Bucket
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, obj: &v1.Bucket{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "b", Generation: 3}},
		config: attempt.Config{Store: store, Secrets: reconcilertest.Secrets{}, Hosts: transport.NewHosts(), BaseURL: "http://host/"},
	}
}

func (w *world) begin() *attempt.Attempt {
	return attempt.Begin(w.config, api.BucketKind, w.obj, &w.obj.Status.Artifact)
}

func (w *world) publication(content string) attempt.Publication {
	w.t.Helper()
	b := w.config.Store.NewBuilder(artifacts.Limits{})
	if err := b.AddFile("a.yaml", 0o644, []byte(content)); err != nil {
		w.t.Fatal(err)
	}
	tree, _, err := b.Build()
	if err != nil {
		w.t.Fatal(err)
	}
	return attempt.Publication{
		Revision: "rev-" + content, File: content + ".tar.gz", Tree: tree, Message: "stored " + content, News: "new " + content,
		Warnings: []artifacts.Warning{{Path: "x", Problem: "left out"}},
	}
}

func (w *world) publish(content string) reconcilers.Result {
	w.t.Helper()
	result, err := w.begin().Publish(w.publication(content))
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func TestPublish(t *testing.T) {
	w := newWorld(t)
	result := w.publish("one")
	artifact := w.obj.Status.Artifact
	if artifact.Path != "bucket/ns/b/one.tar.gz" || artifact.URL != "http://host/"+artifact.Path || artifact.Revision != "rev-one" {
		t.Errorf("the artifact is %+v", artifact)
	}
	want := &reconcilers.Fact{Reason: api.ReasonNewArtifact, Message: "new one; x: left out", Annotations: map[string]string{
		"source.toolkit.fluxcd.io/revision": "rev-one", "source.toolkit.fluxcd.io/digest": artifact.Digest,
	}}
	if diff := cmp.Diff(want, result.Fact); diff != "" {
		t.Errorf("the fact (-want +got)\n%s", diff)
	}
	stored := conditions.Get(w.obj.Status.Conditions, api.ConditionArtifactInStorage)
	if stored == nil || stored.Message != "stored one" || stored.Reason != api.ReasonSucceeded || stored.ObservedGeneration != 3 {
		t.Errorf("the condition is %+v", stored)
	}
	if !w.begin().Stored() {
		t.Error("the artifact does not count as stored")
	}

	first := artifact.LastUpdateTime
	w.obj.Status.Artifact.LastUpdateTime = metav1.NewTime(first.Add(-time.Hour))
	again := w.publish("one")
	if again.Fact != nil || !w.obj.Status.Artifact.LastUpdateTime.Equal(&metav1.Time{Time: first.Add(-time.Hour)}) {
		t.Errorf("the same content again: fact %+v, artifact %+v", again.Fact, w.obj.Status.Artifact)
	}
}

// An artifact counts only if it is the one that the status names.
func TestStored(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*api.Artifact)
		want   bool
	}{
		"as it was":               {func(*api.Artifact) {}, true},
		"another address":         {func(a *api.Artifact) { a.URL = "http://other/" + a.Path }, true},
		"an empty digest":         {func(a *api.Artifact) { a.Digest = "" }, false},
		"the digest of another":   {func(a *api.Artifact) { a.Digest = "sha256:00" }, false},
		"the revision of another": {func(a *api.Artifact) { a.Revision = "rev-two" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.publish("one")
			tt.change(w.obj.Status.Artifact)
			if got := w.begin().Stored(); got != tt.want {
				t.Errorf("it counts as stored: %t, want %t", got, tt.want)
			}
			w.publish("one") // puts it right
			if !w.begin().Stored() {
				t.Error("it does not count as stored after another fetch")
			}
		})
	}
	w := newWorld(t)
	if w.begin().Stored() {
		t.Error("without an artifact something is stored")
	}
}

func TestRecovery(t *testing.T) {
	w := newWorld(t)
	w.publish("one")
	broken := errors.New("broken")
	if err := w.begin().Refused(t.Context(), "Reason", broken); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	for name, end := range map[string]func() reconcilers.Result{
		"published":  func() reconcilers.Result { return w.publish("one") },
		"up to date": func() reconcilers.Result { return w.begin().Unchanged("", "stored one", "Routine", "nothing new") },
	} {
		t.Run(name, func(t *testing.T) {
			w.begin().Set(api.ConditionFetchFailed, true, "Reason", "broken")
			result := end()
			if result.Fact == nil || result.Fact.Reason != api.ReasonSucceeded || result.Fact.Message != "stored one" || result.Fact.Routine {
				t.Errorf("the fact is %+v", result.Fact)
			}
			if conditions.Has(w.obj.Status.Conditions, api.ConditionFetchFailed) {
				t.Errorf("the conditions are %+v", w.obj.Status.Conditions)
			}
		})
	}
}

func TestUnchanged(t *testing.T) {
	w := newWorld(t)
	w.publish("one")
	before := w.obj.DeepCopy()
	result := w.begin().Unchanged("", "stored one", "Routine", "nothing new")
	if diff := cmp.Diff(before, w.obj); diff != "" {
		t.Errorf("the object changed:\n%s", diff)
	}
	if diff := cmp.Diff(&reconcilers.Fact{Reason: "Routine", Message: "nothing new", Routine: true}, result.Fact); diff != "" {
		t.Errorf("the fact (-want +got)\n%s", diff)
	}
	w.config.BaseURL = "https://other/"
	w.begin().Unchanged("", "stored one", "Routine", "nothing new")
	if got := w.obj.Status.Artifact.URL; got != "https://other/bucket/ns/b/one.tar.gz" {
		t.Errorf("the URL is %s", got)
	}
}

func TestFailures(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("broken")
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.begin().Refused(stopped, "Reason", broken); err != broken || len(w.obj.Status.Conditions) != 0 {
		t.Errorf("at the end of the process: %v, %+v", err, w.obj.Status.Conditions)
	}
	busy := &transport.BusyError{Host: "h", Until: time.Now().Add(time.Minute)}
	failed, ok := errors.AsType[*fault.FailedError](w.begin().Refused(t.Context(), "Reason", busy))
	if !ok || failed.NotBefore < 50*time.Second || !failed.Backoff {
		t.Errorf("a busy host: %+v", failed)
	}
	if err := w.begin().Unverified(t.Context(), "Reason", broken); fault.Reason(err, "") != "Reason" || !conditions.IsFalse(w.obj.Status.Conditions, api.ConditionSourceVerified) {
		t.Errorf("a wrong signature: %v, %+v", err, w.obj.Status.Conditions)
	}
	w.begin()
	if conditions.Has(w.obj.Status.Conditions, api.ConditionSourceVerified) {
		t.Error("the next attempt keeps SourceVerified=False")
	}
	if _, ok := errors.AsType[*fault.StalledError](w.begin().Stalled("Reason", broken)); !ok {
		t.Error("stalled is not stalled")
	}
}

func TestSecrets(t *testing.T) {
	ref := &api.LocalObjectReference{Name: "s"}
	for name, tt := range map[string]struct {
		data map[string][]byte // nil: there is none
		read func(*attempt.Attempt, context.Context) error
		want string
	}{
		"a missing one": {nil, func(a *attempt.Attempt, ctx context.Context) error {
			_, err := a.Secret(ctx, "spec.secretRef", ref)
			return err
		}, "spec.secretRef: failed to get secret 'ns/s'"},
		"no certificates": {map[string][]byte{"x": nil}, func(a *attempt.Attempt, ctx context.Context) error {
			_, err := a.Certificates(ctx, "spec.certSecretRef", ref)
			return err
		}, "spec.certSecretRef: Secret ns/s: there is neither ca.crt nor tls.crt and tls.key"},
		"a proxy without an address": {map[string][]byte{"username": []byte("u")}, func(a *attempt.Attempt, ctx context.Context) error {
			_, err := a.Proxy(ctx, ref)
			return err
		}, "spec.proxySecretRef: Secret ns/s: the key address is missing or empty"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tt.data != nil {
				w.config.Secrets = reconcilertest.Secrets{"ns/s": tt.data}
			}
			err := tt.read(w.begin(), t.Context())
			if fault.Reason(err, "") != api.ReasonAuthenticationFailed || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if !conditions.IsTrue(w.obj.Status.Conditions, api.ConditionFetchFailed) {
				t.Errorf("the conditions are %+v", w.obj.Status.Conditions)
			}
		})
	}
}

// What was read before serves the attempts for which nothing but time has passed.
func TestKnownSecrets(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*v1.Bucket)
		want   string
	}{
		"nothing":                      {func(*v1.Bucket) {}, "before"},
		"a new spec":                   {func(b *v1.Bucket) { b.Generation++ }, "now"},
		"a request":                    {func(b *v1.Bucket) { b.Annotations = map[string]string{api.AnnotationReconcileRequest: "2"} }, "now"},
		"a request that was served":    {func(b *v1.Bucket) { b.Status.LastHandledReconcileAt = "1" }, "before"},
		"a failure":                    {func(b *v1.Bucket) { set(b, api.ConditionFetchFailed, metav1.ConditionTrue) }, "now"},
		"it is not ready":              {func(b *v1.Bucket) { set(b, api.ConditionReady, metav1.ConditionFalse) }, "now"},
		"it was never ready":           {func(b *v1.Bucket) { b.Status.Conditions = nil }, "now"},
		"nobody remembers, by setting": {nil, "now"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.Secrets = reconcilertest.Secrets{"ns/s": {"when": []byte("now")}}
			w.config.Known = reconcilertest.Secrets{"ns/s": {"when": []byte("before")}}
			w.obj.Annotations = map[string]string{api.AnnotationReconcileRequest: "1"}
			w.obj.Status.ObservedGeneration, w.obj.Status.LastHandledReconcileAt = w.obj.Generation, "1"
			set(w.obj, api.ConditionReady, metav1.ConditionTrue)
			if tt.change == nil {
				w.config.Known = nil
			} else {
				tt.change(w.obj)
			}
			secret, err := w.begin().Secret(t.Context(), "spec.secretRef", &api.LocalObjectReference{Name: "s"})
			if got := string(secret.Data["when"]); got != tt.want || err != nil {
				t.Errorf("got the Secret as it was %s, want %s (%v)", got, tt.want, err)
			}
		})
	}
}

func set(b *v1.Bucket, kind string, status metav1.ConditionStatus) {
	b.Status.Conditions = conditions.Set(b.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: "R"}, time.Now())
}

func TestDigestOf(t *testing.T) {
	seen := map[string]string{}
	for name, all := range map[string][]map[string][]byte{
		"nothing": nil,
		"one":     {{"a": []byte("1"), "b": []byte("2")}},
		"other":   {{"a": []byte("1"), "b": []byte("3")}},
		"two":     {{"a": []byte("1")}, {"b": []byte("2")}},
		"quoted":  {{"a": []byte("1\"\n0 \"b\"=\"2")}},
	} {
		digest := attempt.DigestOf(all...)
		if before, taken := seen[digest]; taken || digest != attempt.DigestOf(all...) {
			t.Errorf("%s has the digest of %s, or another every time", name, before)
		}
		seen[digest] = name
	}
}

func TestProxyOf(t *testing.T) {
	for name, tt := range map[string]struct {
		data map[string]string
		want string
		bad  bool
	}{
		"an address":             {map[string]string{"address": "http://proxy:3128"}, "http://proxy:3128", false},
		"a user":                 {map[string]string{"address": "socks5://proxy", "username": "u"}, "socks5://u@proxy", false},
		"a user with a password": {map[string]string{"address": "https://proxy", "username": "u", "password": "p"}, "https://u:p@proxy", false},
		"a password alone":       {map[string]string{"address": "https://proxy", "password": "p"}, "https://proxy", false},
		"another scheme":         {map[string]string{"address": "ftp://proxy"}, "", true},
		"no URL":                 {map[string]string{"address": "http://%zz"}, "", true},
		"too long":               {map[string]string{"address": "http://" + strings.Repeat("a", 2048)}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string][]byte{}
			for k, v := range tt.data {
				data[k] = []byte(v)
			}
			u, err := attempt.ProxyOf(data)
			if (err != nil) != tt.bad || err == nil && u.String() != tt.want {
				t.Errorf("got %v, %v", u, err)
			}
		})
	}
}

func TestTLSOf(t *testing.T) {
	for name, tt := range map[string]struct {
		data  map[string][]byte
		error string
	}{
		"nothing":                {map[string][]byte{"other": []byte("x")}, ""},
		"a certificate alone":    {map[string][]byte{"tls.crt": []byte("x")}, "need each other"},
		"an older key alone":     {map[string][]byte{"keyFile": []byte("secret-word")}, "need each other"},
		"no authority":           {map[string][]byte{"ca.crt": []byte("secret-word")}, "ca.crt holds no certificate"},
		"nonsense for both":      {map[string][]byte{"tls.crt": []byte("secret-word"), "tls.key": []byte("secret-word")}, "are not a certificate and its key"},
		"an older name, as well": {map[string][]byte{"caFile": []byte("x")}, "ca.crt holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := attempt.TLSOf(tt.data)
			if tt.error == "" {
				if config != nil || err != nil {
					t.Errorf("got %v, %v", config, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.error) || strings.Contains(err.Error(), "secret-word") {
				t.Errorf("got %v, want %s", err, tt.error)
			}
		})
	}
}

// Certificates go by their names of today, and by the older ones where these are missing.
func TestTLSOfOlderNames(t *testing.T) {
	one, two := selfSigned(t, "one"), selfSigned(t, "two")
	for name, tt := range map[string]struct {
		data   map[string][]byte
		client string
	}{
		"today's names":          {map[string][]byte{"ca.crt": one.cert, "tls.crt": one.cert, "tls.key": one.key}, "one"},
		"older names":            {map[string][]byte{"caFile": one.cert, "certFile": one.cert, "keyFile": one.key}, "one"},
		"both: today's count":    {map[string][]byte{"tls.crt": one.cert, "tls.key": one.key, "certFile": two.cert, "keyFile": two.key}, "one"},
		"today's are empty":      {map[string][]byte{"tls.crt": nil, "tls.key": nil, "certFile": two.cert, "keyFile": two.key}, "two"},
		"an authority is enough": {map[string][]byte{"ca.crt": one.cert}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := attempt.TLSOf(tt.data)
			if err != nil {
				t.Fatal(err)
			}
			client := ""
			if len(config.Certificates) > 0 {
				client = config.Certificates[0].Leaf.Subject.CommonName
			}
			if client != tt.client {
				t.Errorf("the certificate is that of %q, want %q", client, tt.client)
			}
			if config.RootCAs == nil && tt.data["ca.crt"] != nil || config.InsecureSkipVerify {
				t.Errorf("the settings are %+v", config)
			}
		})
	}
}

type pair struct{ cert, key []byte }

func selfSigned(t *testing.T, name string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

func TestRedactURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://user:word@host/path?sig=word": "https://user:xxxxx@host/path?redacted",
		"https://host/path":                    "https://host/path",
		"http://%zz":                           "<unparsable>",
	} {
		if got := attempt.RedactURL(raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}
