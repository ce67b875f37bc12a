package sources

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/identity/identitytest"
	"github.com/fluxd/fluxd/pkg/sources/bucket/buckettest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// cloudy is a world with a daemon of its own that can reach clouds: through the proxy of
// the Secret "proxy", over TLS, by their real names.
type cloudy struct {
	*own
	clouds *identitytest.Clouds
	// authority vouches for all hosts, and ways has their addresses by name.
	authority *upstream.Authority
	ways      map[string]string
}

func newCloudy(t *testing.T) *cloudy {
	t.Helper()
	t.Parallel()
	w := &cloudy{own: alone(t), clouds: identitytest.New(t), ways: map[string]string{}}
	w.clouds.Cluster = claims
	var err error
	if w.authority, err = upstream.NewAuthority(); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"oauth2.googleapis.com", "sts.eu-west-1.amazonaws.com", "api.ecr.eu-west-1.amazonaws.com"} {
		w.host(host, w.clouds.Handler("https"))
	}
	return w
}

// host has a handler answer for a host.
func (w *cloudy) host(name string, handler http.Handler) {
	w.T.Helper()
	door, err := upstream.OpenDoor(handler, upstream.Security{Authority: w.authority, Hosts: []string{name}})
	if err != nil {
		w.T.Fatal(err)
	}
	w.closing(door)
	w.ways[name] = door.Host()
}

// begin starts the proxy and the daemon.
func (w *cloudy) begin(flags ...string) {
	w.T.Helper()
	roots := filepath.Join(w.T.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, w.authority.PEM, 0o600); err != nil {
		w.T.Fatal(err)
	}
	w.proxy(w.ways)
	w.env = []string{"SSL_CERT_FILE=" + roots}
	w.start(flags...)
}

// account creates the ServiceAccount "reader" with a role of AWS, and returns whose
// keys are given for its token.
func (w *cloudy) account() string {
	w.T.Helper()
	const role = "arn:aws:iam::123456789012:role/reader"
	w.Create("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: reader\n  namespace: NS\n  annotations: {eks.amazonaws.com/role-arn: " + role + "}\n")
	return w.Expand(role + " by system:serviceaccount:NS:reader for sts.amazonaws.com")
}

const objectLevel = "--feature-gates=ObjectLevelWorkloadIdentity=true"

// counted fails the test unless the metrics tell of requests for credentials on behalf of
// a Bucket, of which all but one needed no cloud.
func (w *cloudy) counted(name string) {
	w.T.Helper()
	events := func(kind string) float64 {
		w.T.Helper()
		n, err := w.daemon.Metric("gotk_token_cache_events_total", `event_type="`+kind+`"`, `kind="Bucket"`,
			`name="`+name+`"`, `namespace="`+w.Namespace+`"`, `operation="reconcile"`)
		if err != nil {
			w.T.Fatal(err)
		}
		return n
	}
	if hits, misses := events("cache_hit"), events("cache_miss"); hits < 1 || misses != 1 {
		w.T.Errorf("%g requests for credentials were answered from the cache and %g were not", hits, misses)
	}
	for _, tt := range []struct {
		metric string
		labels []string
	}{
		{"gotk_token_cached_items", nil},
		{"gotk_token_cache_requests_total", []string{`status="success"`}},
	} {
		if n, err := w.daemon.Metric(tt.metric, tt.labels...); n != 1 || err != nil {
			w.T.Errorf("%s is %g (%v)", tt.metric, n, err)
		}
	}
}

// A key of an account is traded for a token that may read, and the store wants that.
func TestBucketOfGoogle(t *testing.T) {
	const account = "reader@my-project.iam.gserviceaccount.com"
	store := &buckettest.GCS{Bucket: "apps"}
	w := newCloudy(t)
	w.host("storage.googleapis.com", store)
	w.begin()
	store.Allow = func(token string) bool {
		return w.clouds.Owner(token) == account+" for https://www.googleapis.com/auth/devstorage.read_only"
	}
	store.Put("web/config.yaml", w.Expand(configMap("web", "1")))
	w.Secret("key", map[string]string{"serviceaccount": string(w.clouds.Account(t, account))})
	w.source("Bucket", "apps", "provider: gcp", "endpoint: storage.googleapis.com", "bucketName: apps",
		"secretRef: {name: key}", "proxySecretRef: {name: proxy}")
	w.apply("web", "Bucket", "apps")
	w.Wait(harness.ConfigMaps, "web", data("1"))
	store.Put("web/config.yaml", w.Expand(configMap("web", "2")))
	w.Request(api.BucketGVR, "apps")
	w.Wait(harness.ConfigMaps, "web", data("2"))
	w.counted("apps")

	w.Delete(api.BucketGVR, "apps")
	w.Wait(api.BucketGVR, "apps", harness.Gone)
	w.until("the metrics of the Bucket to go", func() bool {
		metrics, err := w.daemon.Metrics()
		return err == nil && !strings.Contains(metrics, "gotk_token_cache_events_total{")
	})

	// A key that Google does not know is no key.
	stranger := identitytest.New(t).Account(t, account)
	w.Secret("stranger", map[string]string{"serviceaccount": string(stranger)})
	w.source("Bucket", "theirs", "provider: gcp", "endpoint: storage.googleapis.com", "bucketName: apps",
		"secretRef: {name: stranger}", "proxySecretRef: {name: proxy}")
	_, message := world.Condition(w.Wait(api.BucketGVR, "theirs", harness.Failed(api.ReasonAuthenticationFailed)), "Ready")
	world.Contains(t, "message", message, "spec.secretRef", "stranger", account)
}

// The token that the cluster gives out for a ServiceAccount is traded for the keys of its
// role, and the store wants requests that are signed with these.
func TestBucketOfAmazonAsAServiceAccount(t *testing.T) {
	store := &buckettest.S3{Bucket: "apps", Region: "eu-west-1"}
	w := newCloudy(t)
	w.host("s3.fluxd.test", store)
	w.begin(objectLevel)
	want := w.account()
	store.Issued = func(access string) (secret, token string) {
		secret, token, whose := w.clouds.Secret(access)
		if whose != want {
			t.Errorf("somebody asks with keys of %q", whose)
			return "", ""
		}
		return secret, token
	}
	store.Put("config.yaml", w.Expand(configMap("web", "1")))
	spec := []string{"provider: aws", "endpoint: s3.fluxd.test", "region: eu-west-1", "bucketName: apps", "proxySecretRef: {name: proxy}"}
	w.source("Bucket", "apps", append(spec, "serviceAccountName: reader")...)
	w.apply("web", "Bucket", "apps")
	w.Wait(harness.ConfigMaps, "web", data("1"))
	store.Put("config.yaml", w.Expand(configMap("web", "2")))
	w.Request(api.BucketGVR, "apps")
	w.Wait(harness.ConfigMaps, "web", data("2"))
	w.counted("apps")

	w.source("Bucket", "nobody", append(spec, "serviceAccountName: nobody")...)
	_, message := world.Condition(w.Wait(api.BucketGVR, "nobody", harness.Failed(api.ReasonAuthenticationFailed)), "Ready")
	world.Contains(t, "message", message, w.Namespace+"/nobody", "does not exist")
}

// The keys of the role are traded once more, for a login of the registry.
func TestOCIOfAmazonAsAServiceAccount(t *testing.T) {
	const host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	w := newCloudy(t)
	r := w.sources.registry(upstream.RegistryOptions{
		Security: upstream.Security{Authority: w.authority, Hosts: []string{host}},
		Username: "AWS", Password: "login of " + w.account(), Tokens: true, // which takes passwords of any length
	})
	w.ways[host] = r.Host()
	w.begin(objectLevel)
	revision := w.push(r, "apps/web", "1.0.0", files{"config.yaml": configMap("web", "1")})
	spec := []string{"url: oci://" + host + "/apps/web", "ref: {tag: 1.0.0}", "provider: aws", "proxySecretRef: {name: proxy}"}
	w.sources.source("OCIRepository", "web", append(spec, "serviceAccountName: reader")...)
	w.apply("web", "OCIRepository", "web")
	w.Wait(harness.Kustomized, "web", applied(revision))

	// Without the account it is the process that asks, and nobody knows that one.
	w.sources.source("OCIRepository", "nobody", spec...)
	_, message := world.Condition(w.Wait(api.OCIRepositoryGVR, "nobody", harness.Failed(api.ReasonAuthenticationFailed)), "Ready")
	world.Contains(t, "message", message, "spec.provider")
}

// claims returns whose a token of the cluster is, and what for. It trusts the token.
func claims(token string) (whose, audience string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", ""
	}
	var claims struct {
		Sub string
		Aud []string
	}
	if data, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || json.Unmarshal(data, &claims) != nil {
		return "", ""
	}
	return claims.Sub, strings.Join(claims.Aud, ",")
}

// A login of a directory is traded for keys, by a token service that checks it.
func TestBucketWithALoginOfADirectory(t *testing.T) {
	w := newWorld(t)
	server := buckettest.NewS3(false)
	t.Cleanup(server.Server.Close)
	server.Access, server.Secret, server.Token = "AKIAEXAMPLE", "secret", "session"
	server.Directory = map[string]string{user: password}
	server.Put("config.yaml", w.Expand(configMap("web", "1")))
	w.Secret("login", map[string]string{"username": user, "password": "not-" + password})
	w.source("Bucket", "apps", "endpoint: "+server.Endpoint(), "insecure: true", "bucketName: apps",
		"sts: {provider: ldap, endpoint: \"http://"+server.Endpoint()+"\", secretRef: {name: login}}")
	_, message := world.Condition(w.Wait(api.BucketGVR, "apps", harness.Failed(api.ReasonAuthenticationFailed)), "Ready")
	if strings.Contains(message, password) {
		t.Errorf("the message tells the password: %s", message)
	}
	w.Patch(world.Secrets, "login", map[string]any{"stringData": map[string]any{"password": password}})
	w.apply("web", "Bucket", "apps")
	w.Wait(harness.ConfigMaps, "web", data("1"))
}
