package helmchart_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/oci/ocitest"
	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/sources/signature/signaturetest"
)

// sign attaches a signature of cosign.
func sign(r *ocitest.Registry, sum string, s signaturetest.Simple) {
	r.Push("charts/app", signaturetest.SimpleTag(sum), ocitest.Image{
		Layers: []ocitest.Layer{{MediaType: signaturetest.SimpleType, Content: s.Content, Annotations: s.Annotations}},
	})
}

// notarize attaches a signature of notation.
func notarize(t *testing.T, r *ocitest.Registry, sum string, n *signaturetest.Notary) {
	t.Helper()
	repository, err := oci.Open(r.URL("charts/app"), oci.Options{Transport: r.Server().Client().Transport, Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	mediaType, size, err := repository.Describe(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	const envelope = "application/jose+json"
	r.Push("charts/app", "", ocitest.Image{
		ArtifactType: signaturetest.NotationType, Subject: sum,
		Layers: []ocitest.Layer{{MediaType: envelope, Content: n.Sign(envelope, mediaType, sum, size)}},
	})
}

const policy = `{"version":"1.0","trustPolicies":[{"name":"test","registryScopes":["*"],
	"signatureVerification":{"level":"strict"},"trustStores":["ca:test"],"trustedIdentities":["*"]}]}`

func verify(provider, secret string, who ...v1.OIDCIdentityMatch) func(*v1.HelmChart) {
	return func(o *v1.HelmChart) {
		o.Spec.Version = "1.3.0"
		o.Spec.Verify = &v1.HelmChartVerification{Provider: provider, MatchOIDCIdentity: who}
		if secret != "" {
			o.Spec.Verify.SecretRef = &api.LocalObjectReference{Name: secret}
		}
	}
}

func TestSignatures(t *testing.T) {
	key, notary := signaturetest.NewKey(), signaturetest.NewNotary(time.Now())
	instance := signaturetest.NewSigstore(time.Now())
	signer := instance.Signer("https://issuer.test", "https://git.test/apps", signaturetest.Options{})
	root, err := signature.ParseRoot(signaturetest.JSON(instance.Root()))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		sign          func(*ocitest.Registry, string)
		verify        func(*v1.HelmChart)
		failed, built bool // whether it fails, and whether the build says so
		text          string
	}{
		"a key":             {func(r *ocitest.Registry, sum string) { sign(r, sum, key.SignSimple(sum)) }, verify("cosign", "keys"), false, false, ""},
		"no provider named": {func(r *ocitest.Registry, sum string) { sign(r, sum, key.SignSimple(sum)) }, verify("", "keys"), false, false, ""},
		"keyless":           {func(r *ocitest.Registry, sum string) { sign(r, sum, signer.SignSimple(sum)) }, verify("cosign", "", v1.OIDCIdentityMatch{Issuer: "issuer.test", Subject: "git.test/apps"}), false, false, ""},
		"notation":          {func(r *ocitest.Registry, sum string) { notarize(t, r, sum, notary) }, verify("notation", "notary"), false, false, ""},

		"unsigned":             {func(*ocitest.Registry, string) {}, verify("cosign", "keys"), true, true, "failed to verify the signature using provider 'cosign': no signature found"},
		"another key":          {func(r *ocitest.Registry, sum string) { sign(r, sum, signaturetest.NewKey().SignSimple(sum)) }, verify("cosign", "keys"), true, true, "'cosign'"},
		"another chart":        {func(r *ocitest.Registry, sum string) { sign(r, sum, key.SignSimple(ocitest.DigestOf(nil))) }, verify("cosign", "keys"), true, true, "another digest"},
		"another identity":     {func(r *ocitest.Registry, sum string) { sign(r, sum, signer.SignSimple(sum)) }, verify("cosign", "", v1.OIDCIdentityMatch{Issuer: "^x$", Subject: "y"}), true, true, "'cosign keyless'"},
		"another notary":       {func(r *ocitest.Registry, sum string) { notarize(t, r, sum, signaturetest.NewNotary(time.Now())) }, verify("notation", "notary"), true, true, "'notation'"},
		"a lost Secret":        {func(*ocitest.Registry, string) {}, verify("cosign", "gone"), true, false, "spec.verify.secretRef: Secret ns/gone"},
		"an empty Secret":      {func(*ocitest.Registry, string) {}, verify("cosign", "empty"), true, false, "no public key"},
		"a malformed key":      {func(*ocitest.Registry, string) {}, verify("cosign", "bad"), true, false, "a.pub"},
		"no policy":            {func(*ocitest.Registry, string) {}, verify("notation", "empty"), true, false, "trustpolicy.json"},
		"no Secret":            {func(*ocitest.Registry, string) {}, verify("notation", ""), true, false, "spec.verify.secretRef"},
		"an unknown provider":  {func(*ocitest.Registry, string) {}, verify("gpg", "keys"), true, false, "spec.verify.provider"},
		"a malformed identity": {func(*ocitest.Registry, string) {}, verify("cosign", "", v1.OIDCIdentityMatch{Issuer: "("}), true, false, "spec.verify.matchOIDCIdentity"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.root = root
			r := withRegistry(t, w)
			tc.sign(r, push(r, "1.3.0", chart("1.3.0")))
			w.secrets["ns/keys"] = secret{data: map[string][]byte{"a.pub": key.PEM()}}
			w.secrets["ns/bad"] = secret{data: map[string][]byte{"a.pub": []byte("hidden")}}
			w.secrets["ns/empty"] = secret{}
			w.secrets["ns/notary"] = secret{data: map[string][]byte{"trustpolicy.json": []byte(policy), "ca.crt": notary.PEM()}}
			o := w.object()
			w.ready(o)
			kept := o.Status.Artifact.Revision
			tc.verify(o)
			o.Generation = 2
			if !tc.failed {
				w.ready(o)
				w.wantVerified(o, metav1.ConditionTrue, api.ReasonSucceeded)
				r.Requests()
				w.ready(o) // is verified again, although nothing is new
				if !strings.Contains(strings.Join(r.Requests(), "\n"), "manifests/") {
					t.Error("the signature was not looked at again")
				}
				return
			}
			_, err := w.reconcile(o)
			if fault.Reason(err, "") != api.ReasonVerificationError || !strings.Contains(err.Error(), tc.text) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v (%s)", err, fault.Reason(err, ""))
			}
			w.wantVerified(o, metav1.ConditionFalse, api.ReasonVerificationError)
			if failed := conditions.IsTrue(o.Status.Conditions, api.ConditionBuildFailed); failed != tc.built {
				t.Errorf("BuildFailed is %t", failed)
			}
			if o.Status.Artifact.Revision != kept {
				t.Errorf("the artifact is %+v", o.Status.Artifact)
			}
			o.Spec.Verify, o.Generation = nil, 3
			w.ready(o)
			if conditions.Has(o.Status.Conditions, api.ConditionSourceVerified) {
				t.Error("where nobody asks, there is still a condition")
			}
		})
	}
}

func (w *world) wantVerified(o *v1.HelmChart, status metav1.ConditionStatus, reason string) {
	w.t.Helper()
	c := conditions.Get(o.Status.Conditions, api.ConditionSourceVerified)
	if c == nil || c.Status != status || c.Reason != reason || status == metav1.ConditionTrue && c.Message != "verified signature of version 1.3.0" {
		w.t.Errorf("the condition is %+v", c)
	}
}
