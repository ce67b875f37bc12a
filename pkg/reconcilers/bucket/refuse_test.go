package bucket_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
)

// TestRefusals has everything go wrong that an object, a Secret or a store can have
// wrong. No message may show a secret.
func TestRefusals(t *testing.T) {
	const (
		auth, failed = api.ReasonAuthenticationFailed, api.ReasonBucketOperationFailed
		sts          = api.ReasonInvalidSTSConfiguration
	)
	hidden := []string{secretKey, "hidden", "secret of"}
	for name, tt := range map[string]struct {
		change  func(*world, *v1.Bucket)
		reason  string
		stalled bool
		says    string
	}{
		"no such bucket": {func(_ *world, o *v1.Bucket) { o.Spec.BucketName = "other" }, failed, false, "bucket 'other' not found"},
		"no Secret": {func(_ *world, o *v1.Bucket) { o.Spec.SecretRef = ref("none") }, auth, false,
			"spec.secretRef: failed to get secret 'ns/none'"},
		"an empty Secret": {func(w *world, o *v1.Bucket) { w.use(o, nil) }, auth, false,
			"spec.secretRef: Secret ns/own: invalid credentials: required fields 'accesskey' and 'secretkey'"},
		"half a Secret": {func(w *world, o *v1.Bucket) {
			w.use(o, map[string]string{"secretkey": "hidden"})
		}, auth, false, "required fields"},
		"wrong keys": {func(w *world, o *v1.Bucket) {
			w.use(o, map[string]string{"accesskey": accessKey, "secretkey": "hidden"})
		}, failed, false, "access denied: HTTP status 403 SignatureDoesNotMatch"},
		"no permission": {func(w *world, _ *v1.Bucket) {
			w.s3.Intercept = say(403, "<Error><Code>AccessDenied</Code><Message>User is not authorized</Message></Error>")
		}, failed, false, "access denied: HTTP status 403 AccessDenied: User is not authorized"},
		"an endpoint with a scheme": {func(_ *world, o *v1.Bucket) { o.Spec.Endpoint = "http://minio:9000" },
			api.ReasonURLInvalid, true, "spec.endpoint: invalid endpoint"},
		"no endpoint for azure": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			o.Spec.Endpoint = "://"
		}, api.ReasonURLInvalid, true, "spec.endpoint"},
		"azure in the clear": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			o.Spec.Endpoint = "http://fluxd.blob.core.windows.net"
		}, api.ReasonURLInvalid, true, "https only"},
		"a name that is none": {func(_ *world, o *v1.Bucket) { o.Spec.BucketName = "a/../b" }, failed, true, "spec.bucketName"},
		"another provider": {func(_ *world, o *v1.Bucket) { o.Spec.Provider = "ibm" },
			api.ReasonInvalidProviderConfiguration, true, "spec.provider"},
		"no proxy Secret": {func(_ *world, o *v1.Bucket) { o.Spec.ProxySecretRef = ref("none") }, auth, false, "spec.proxySecretRef"},
		"no certificates": {func(_ *world, o *v1.Bucket) { o.Spec.CertSecretRef = ref("none") }, auth, false, "spec.certSecretRef"},

		"ldap with aws": {func(_ *world, o *v1.Bucket) {
			o.Spec.Provider, o.Spec.STS = "aws", &v1.BucketSTSSpec{Provider: "ldap", Endpoint: "https://sts"}
		}, sts, true, "STS provider 'ldap' is not supported for 'aws' bucket provider"},
		"aws with generic": {func(_ *world, o *v1.Bucket) {
			o.Spec.STS = &v1.BucketSTSSpec{Provider: "aws", Endpoint: "https://sts"}
		}, sts, true, "STS provider 'aws' is not supported for 'generic' bucket provider"},
		"a token service with azure": {func(_ *world, o *v1.Bucket) {
			o.Spec.Provider, o.Spec.STS = "azure", &v1.BucketSTSSpec{Provider: "aws", Endpoint: "https://sts"}
		}, sts, true, "STS configuration is not supported for 'azure' bucket provider"},
		"a login for aws": {func(_ *world, o *v1.Bucket) {
			o.Spec.Provider, o.Spec.STS = "aws", &v1.BucketSTSSpec{Provider: "aws", Endpoint: "https://sts", SecretRef: ref("x")}
		}, sts, true, "spec.sts.secretRef is not required"},
		"certificates for aws": {func(_ *world, o *v1.Bucket) {
			o.Spec.Provider, o.Spec.STS = "aws", &v1.BucketSTSSpec{Provider: "aws", Endpoint: "https://sts", CertSecretRef: ref("x")}
		}, sts, true, "spec.sts.certSecretRef is not required"},
		"a token service that is no URL": {func(_ *world, o *v1.Bucket) {
			o.Spec.STS = &v1.BucketSTSSpec{Provider: "ldap", Endpoint: "https://%zz"}
		}, api.ReasonURLInvalid, true, "spec.sts.endpoint"},
		"a token service of somebody else": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAWS)
			o.Spec.Region, o.Spec.STS = "eu-west-1", &v1.BucketSTSSpec{Provider: "aws", Endpoint: "https://sts.evil.example"}
		}, auth, false, "invalid STS endpoint"},
		"no login": {func(_ *world, o *v1.Bucket) {
			o.Spec.SecretRef, o.Spec.STS = nil, &v1.BucketSTSSpec{Provider: "ldap", Endpoint: "https://sts"}
		}, auth, false, "spec.sts.secretRef"},
		"half a login": {func(w *world, o *v1.Bucket) {
			w.secrets["ns/login"] = map[string]string{"username": "jane", "password": ""}
			o.Spec.SecretRef, o.Spec.STS = nil, &v1.BucketSTSSpec{Provider: "ldap", Endpoint: "https://sts", SecretRef: ref("login")}
		}, auth, false, "for 'ldap' STS provider: required fields username, password"},
		"a wrong login": {func(w *world, o *v1.Bucket) {
			w.secrets["ns/login"] = map[string]string{"username": "jane", "password": "hidden"}
			o.Spec.SecretRef = nil
			o.Spec.STS = &v1.BucketSTSSpec{Provider: "ldap", Endpoint: w.s3.Server.URL, SecretRef: ref("login")}
		}, auth, false, "log in at the token service: access denied"},

		"aws without a region": {func(w *world, o *v1.Bucket) { w.provider(o, v1.BucketProviderAWS) }, auth, false,
			"AWS authentication failed"},
		"a service account without the gate": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderGCP)
			w.options.ObjectLevel, o.Spec.ServiceAccountName = false, "reader"
		}, api.ReasonFeatureGateDisabled, true, "spec.serviceAccountName"},
		"no service account": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			o.Spec.ServiceAccountName = "none"
		}, auth, false, "service account 'ns/none'"},
		"gcp with another Secret": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderGCP)
			w.use(o, map[string]string{"accesskey": "hidden"})
		}, auth, false, "required fields 'serviceaccount'"},
		"gcp with a key that is none": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderGCP)
			w.use(o, map[string]string{"serviceaccount": `{"type":"external_account","hidden":1}`})
		}, auth, false, "spec.secretRef: Secret ns/own"},
		"azure elsewhere, as the process": {func(w *world, o *v1.Bucket) {
			w.azures = nil
			w.provider(o, v1.BucketProviderAzure)
		}, auth, false, "spec.endpoint: its host is not one of Azure"},
		"azure elsewhere, as the machine": {func(w *world, o *v1.Bucket) {
			w.azures = []string{".blob.core.windows.net"}
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"clientId": "client"})
		}, auth, false, "spec.endpoint: its host is not one of Azure"},
		"azure elsewhere, by an authority alone": {func(w *world, o *v1.Bucket) {
			w.azures = nil
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"authorityHost": "https://login.microsoftonline.com"})
		}, auth, false, "spec.endpoint: its host is not one of Azure"},
		"azure with another Secret": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"tenantId": "hidden"})
		}, auth, false, "requires a 'clientId', 'accountKey' or 'sasKey' field"},
		"azure with an empty key": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"accountKey": ""})
		}, auth, false, "is empty"},
		"azure with a key that is none": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"accountKey": "hidden!"})
		}, auth, false, "spec.secretRef: Secret ns/own: invalid credentials: the key of the account is not base64"},
		"azure with a certificate that is none": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"tenantId": "t", "clientId": "c", "clientCertificate": "hidden"})
		}, auth, false, "clientCertificate is neither PEM nor PKCS #12"},
		"azure with a wrong password": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{
				"tenantId": "t", "clientId": "c", "clientCertificate": pfx(w.t), "clientCertificatePassword": "hidden",
			})
		}, auth, false, "clientCertificatePassword"},
		"azure with a wrong secret": {func(w *world, o *v1.Bucket) {
			w.provider(o, v1.BucketProviderAzure)
			w.use(o, map[string]string{"tenantId": "tenant", "clientId": "client", "clientSecret": "hidden"})
		}, auth, false, "spec.secretRef: Secret ns/own: get a token of the application client"},

		"a key that leaves the tree": {func(w *world, _ *v1.Bucket) { w.s3.Put("../x", "x") }, failed, false, `unusable key "../x"`},
		"a login page":               {func(w *world, _ *v1.Bucket) { w.s3.Intercept = say(200, "<html>hidden</html>") }, failed, false, "unexpected answer"},
		"a redirect elsewhere": {func(w *world, _ *v1.Bucket) {
			w.s3.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				http.Redirect(rw, r, "http://elsewhere.invalid/?sig=hidden", http.StatusFound)
				return true
			}
		}, failed, false, "a redirect to elsewhere.invalid"},
		"a server that hangs": {func(w *world, o *v1.Bucket) {
			o.Spec.Timeout.Duration = 50 * time.Millisecond
			w.s3.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				<-r.Context().Done()
				return true
			}
		}, failed, false, "unable to list bucket 'apps': timed out"},
		"nobody there": {func(_ *world, o *v1.Bucket) { o.Spec.Endpoint = "127.0.0.1:1" }, failed, false, "connection refused"},
		"where clouds hand out credentials": {func(_ *world, o *v1.Bucket) { o.Spec.Endpoint = "169.254.169.254" },
			failed, false, "address refused"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(map[string]string{"a": "a"})
			o := w.object()
			tt.change(w, o)
			w.restart()
			_, err := w.reconcile(o)
			if err == nil {
				t.Fatal("there is no error")
			}
			_, stalled := errors.AsType[*fault.StalledError](err)
			if got := fault.Reason(err, ""); got != tt.reason || stalled != tt.stalled || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the reason is %s, stalled: %t: %v", got, stalled, err)
			}
			c := conditions.Get(o.Status.Conditions, api.ConditionFetchFailed)
			if c == nil || c.Reason != tt.reason || c.Message != err.Error() {
				t.Errorf("the condition is %+v", c)
			}
			for _, secret := range hidden {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
			if o.Status.Artifact != nil {
				t.Errorf("the artifact is %+v", o.Status.Artifact)
			}
		})
	}
}

func say(status int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		return true
	}
}

// TestAStoreThatAsksForAPause is not asked again by the next attempt either.
func TestAStoreThatAsksForAPause(t *testing.T) {
	w := newWorld(t)
	requests := 0
	w.s3.Intercept = func(rw http.ResponseWriter, _ *http.Request) bool {
		requests++
		rw.Header().Set("Retry-After", "120")
		rw.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	o := w.object()
	for range 2 {
		_, err := w.reconcile(o)
		failed, ok := errors.AsType[*fault.FailedError](err)
		if !ok || failed.NotBefore < time.Minute {
			t.Errorf("the error is %#v", err)
		}
	}
	if requests != 1 {
		t.Errorf("it was asked %d times", requests)
	}
}

func TestStoppingIsNoFailure(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a"})
	o := w.object()
	w.ready(o)
	before := len(o.Status.Conditions)
	ctx, cancel := context.WithCancel(t.Context())
	w.s3.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	}
	if _, err := w.plugin.Reconcile(ctx, o); err == nil || len(o.Status.Conditions) != before {
		t.Errorf("the error is %v and the conditions %+v", err, o.Status.Conditions)
	}
}
