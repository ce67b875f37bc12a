package identity_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/identity"
)

const (
	cloudScope = "https://www.googleapis.com/auth/cloud-platform"
	bothScopes = cloudScope + " https://www.googleapis.com/auth/userinfo.email"
	pool       = "projects/123/locations/global/workloadIdentityPools/edge/providers/k3s"
	email      = "puller@my-project.iam.gserviceaccount.com"
)

func TestGCPTokens(t *testing.T) {
	external, err := json.Marshal(map[string]any{
		"type": "external_account", "audience": "//iam.googleapis.com/" + pool, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url":                         "https://sts.googleapis.com/v1/token",
		"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + email + ":generateAccessToken",
		"credential_source":                 map[string]any{"file": "/token", "format": map[string]string{"type": "json", "subject_token_field_name": "tok"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		annotations map[string]string // nil for the process
		file        func(w *world) string
		hosts       []string
		who         string
	}{
		"the machine": {hosts: []string{"169.254.169.254"}, who: "machine account for " + strings.ReplaceAll(bothScopes, " ", ",")},
		"a key in a file": {
			file:  func(w *world) string { return string(w.fake.Account(t, email)) },
			hosts: []string{"oauth2.googleapis.com"}, who: email + " for " + bothScopes,
		},
		"a user in a file": {
			file: func(*world) string {
				return `{"type":"authorized_user","client_id":"me","client_secret":"client secret","refresh_token":"refresh"}`
			},
			hosts: []string{"oauth2.googleapis.com"}, who: "user me for " + bothScopes,
		},
		"another issuer in a file": {
			file:  func(*world) string { return string(external) },
			hosts: []string{"sts.googleapis.com", "iamcredentials.googleapis.com"}, who: email + " for " + bothScopes,
		},
		"a service account on GKE": {
			annotations: map[string]string{},
			hosts:       []string{"169.254.169.254", "169.254.169.254", "169.254.169.254", "sts.googleapis.com"},
			who:         "federated cluster token of apps/sa for my-project.svc.id.goog for " + bothScopes,
		},
		"a service account that impersonates": {
			annotations: map[string]string{"iam.gke.io/gcp-service-account": email},
			hosts:       []string{"169.254.169.254", "169.254.169.254", "169.254.169.254", "sts.googleapis.com", "iamcredentials.googleapis.com"},
			who:         email + " for " + bothScopes,
		},
		"a service account of another issuer": {
			annotations: map[string]string{"gcp.auth.fluxcd.io/workload-identity-provider": pool},
			hosts:       []string{"sts.googleapis.com"},
			who:         "federated cluster token of apps/sa for //iam.googleapis.com/" + pool + " for " + bothScopes,
		},
		"a service account of another issuer that impersonates": {
			annotations: map[string]string{"gcp.auth.fluxcd.io/workload-identity-provider": pool, "iam.gke.io/gcp-service-account": email},
			hosts:       []string{"sts.googleapis.com", "iamcredentials.googleapis.com"},
			who:         email + " for " + bothScopes,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.files["/token"] = `{"tok":"` + w.fake.Issue("the Pod", "//iam.googleapis.com/"+pool) + `"}`
			r := identity.Request{Provider: identity.GCP}
			if test.file != nil {
				w.env["GOOGLE_APPLICATION_CREDENTIALS"], w.files["/adc"] = "/adc", test.file(w)
			}
			if test.annotations != nil {
				r = w.account(identity.GCP, test.annotations)
			}
			token, err := w.GCPToken(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.fake.Owner(token.Value); got != test.who || !token.Expires.Equal(now.Add(time.Hour)) {
				t.Errorf("got a token of %q until %s, want %q", got, token.Expires, test.who)
			}
			if diff := cmp.Diff(test.hosts, w.fake.Hosts()); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
			login, err := w.Registry(t.Context(), r, "europe-docker.pkg.dev/my-project/apps/web")
			if err != nil || login.Username != "oauth2accesstoken" || login.Password != token.Value {
				t.Errorf("the login of a registry: %v, %+v", err, login)
			}
		})
	}
}

func TestGKEIsAskedOnce(t *testing.T) {
	w := newWorld(t, func(o *identity.Options) { o.CacheSize = 0 })
	r := w.account(identity.GCP, map[string]string{})
	for range 3 {
		if _, err := w.GCPToken(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	for _, host := range w.fake.Hosts() {
		if host == "169.254.169.254" {
			asked++
		}
	}
	if asked != 3 { // project, location, name
		t.Errorf("the metadata server was asked %d times", asked)
	}
}

func TestGCPKeyOfABucket(t *testing.T) {
	w := newWorld(t)
	key := w.fake.Account(t, email)
	const scope = "https://www.googleapis.com/auth/devstorage.read_only"
	token, err := w.GCPKeyToken(t.Context(), identity.Request{}, key, scope)
	if err != nil || w.fake.Owner(token.Value) != email+" for "+scope {
		t.Errorf("%v, token of %q", err, w.fake.Owner(token.Value))
	}
	edit := func(name, value string) []byte {
		var fields map[string]string
		if err := json.Unmarshal(key, &fields); err != nil {
			t.Fatal(err)
		}
		fields[name] = value
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	w.fake.Calls()
	for name, bad := range map[string][]byte{
		"no JSON":                    []byte("x"),
		"another type":               edit("type", "external_account"),
		"no key":                     edit("private_key", ""),
		"a login server elsewhere":   edit("token_uri", "https://evil.example.com/token"),
		"a login server without TLS": edit("token_uri", "http://oauth2.googleapis.com/token"),
		"a login server with a port": edit("token_uri", "https://oauth2.googleapis.com:22/token"),
		"the metadata server":        edit("token_uri", "http://169.254.169.254/token"),
	} {
		if _, err := w.GCPKeyToken(t.Context(), identity.Request{}, bad, scope); !errors.Is(err, identity.ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", name, err)
		}
	}
	if hosts := w.fake.Hosts(); len(hosts) > 0 {
		t.Errorf("called %v", hosts)
	}
}

func TestGCPRefuses(t *testing.T) {
	w := newWorld(t)
	for name, annotations := range map[string]map[string]string{
		"an account that is no address": {"iam.gke.io/gcp-service-account": "x/../../y"},
		"a pool that is none":           {"gcp.auth.fluxcd.io/workload-identity-provider": "//iam.googleapis.com/" + pool},
	} {
		if _, err := w.GCPToken(t.Context(), w.account(identity.GCP, annotations)); !errors.Is(err, identity.ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", name, err)
		}
	}
	for _, host := range []string{"gcr.io.evil.example.com", "docker.io/x", "x-docker.pkg.dev.evil.example.com"} {
		if _, err := w.Registry(t.Context(), identity.Request{Provider: identity.GCP}, host); !errors.Is(err, identity.ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", host, err)
		}
	}
	// A captive portal is not the metadata server.
	w.fake.Handle("169.254.169.254", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"access_token":"x","expires_in":3599}`))
	})
	if _, err := w.GCPToken(t.Context(), identity.Request{}); err == nil || !strings.Contains(err.Error(), "is not the metadata server") {
		t.Errorf("a server that is another: got %v", err)
	}
}
