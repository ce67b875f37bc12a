package ocirepository_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/oci/ocitest"
	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/sources/signature/signaturetest"
)

// signSimple attaches a signature as cosign did before it had bundles.
func (w *world) signSimple(sum string, s signaturetest.Simple) {
	w.registry.Push(repository, signaturetest.SimpleTag(sum), ocitest.Image{
		Layers: []ocitest.Layer{{MediaType: signaturetest.SimpleType, Content: s.Content, Annotations: s.Annotations}},
	})
}

// attach attaches a signature of another kind.
func (w *world) attach(sum, artifactType, mediaType string, content []byte) {
	w.registry.Push(repository, "", ocitest.Image{
		ArtifactType: artifactType, Subject: sum, Layers: []ocitest.Layer{{MediaType: mediaType, Content: content}},
	})
}

func (w *world) signBundle(sum string, bundle any) {
	w.attach(sum, signaturetest.BundleType, signaturetest.BundleType, signaturetest.JSON(bundle))
}

// signNotation attaches a signature of notation. The size of the manifest is part of it.
func (w *world) signNotation(n *signaturetest.Notary, sum string) {
	r, err := oci.Open(w.registry.URL(repository), oci.Options{Transport: w.registry.Server().Client().Transport, Insecure: true})
	if err != nil {
		w.t.Fatal(err)
	}
	mediaType, size, err := r.Describe(w.t.Context(), sum)
	if err != nil {
		w.t.Fatal(err)
	}
	const envelope = "application/jose+json"
	w.attach(sum, signaturetest.NotationType, envelope, n.Sign(envelope, mediaType, sum, size))
}

const policy = `{"version":"1.0","trustPolicies":[{"name":"test","registryScopes":["*"],
	"signatureVerification":{"level":"LEVEL"},"trustStores":["ca:test"],"trustedIdentities":["*"]}]}`

func trustPolicy(level string) []byte { return []byte(strings.Replace(policy, "LEVEL", level, 1)) }

func TestSignatures(t *testing.T) {
	key, notary := signaturetest.NewKey(), signaturetest.NewNotary(time.Now())
	instance := signaturetest.NewSigstore(time.Now())
	signer := instance.Signer("https://issuer.test", "https://git.test/apps", signaturetest.Options{})
	tests := map[string]struct {
		sign   func(w *world, sum string)
		verify v1.OCIRepositoryVerification
		text   string // of the error, empty for none
	}{
		"a key": {func(w *world, sum string) { w.signSimple(sum, key.SignSimple(sum)) },
			v1.OCIRepositoryVerification{Provider: "cosign", SecretRef: ref("keys")}, ""},
		"a key and a bundle": {func(w *world, sum string) { w.signBundle(sum, key.SignBundle(sum, "")) },
			v1.OCIRepositoryVerification{Provider: "cosign", SecretRef: ref("keys")}, ""},
		"a key and a bundle under a tag": {func(w *world, sum string) { w.registry.WithoutReferrers(); w.signBundle(sum, key.SignBundle(sum, "")) },
			v1.OCIRepositoryVerification{Provider: "cosign", SecretRef: ref("keys")}, ""},
		"keyless": {func(w *world, sum string) { w.signSimple(sum, signer.SignSimple(sum)) },
			v1.OCIRepositoryVerification{Provider: "cosign", TrustedRootSecretRef: ref("root"), MatchOIDCIdentity: []v1.OIDCIdentityMatch{{Issuer: "issuer.test", Subject: "git.test/apps"}}}, ""},
		"keyless and a bundle": {func(w *world, sum string) { w.signBundle(sum, signer.SignStamped(sum)) },
			v1.OCIRepositoryVerification{Provider: "cosign", TrustedRootSecretRef: ref("root")}, ""},
		"notation": {func(w *world, sum string) { w.signNotation(notary, sum) },
			v1.OCIRepositoryVerification{Provider: "notation", SecretRef: ref("notary")}, ""},

		"no signature":     {func(*world, string) {}, v1.OCIRepositoryVerification{Provider: "cosign", SecretRef: ref("keys")}, "no signature found"},
		"no provider":      {func(w *world, sum string) { w.signSimple(sum, key.SignSimple(sum)) }, v1.OCIRepositoryVerification{SecretRef: ref("keys")}, ""},
		"another key":      {func(w *world, sum string) { w.signSimple(sum, signaturetest.NewKey().SignSimple(sum)) }, v1.OCIRepositoryVerification{SecretRef: ref("keys")}, "'cosign'"},
		"a copy":           {func(w *world, sum string) { w.signSimple(sum, key.SignSimple(ocitest.DigestOf(nil))) }, v1.OCIRepositoryVerification{SecretRef: ref("keys")}, "another digest"},
		"a lost Secret":    {func(w *world, sum string) { w.signSimple(sum, key.SignSimple(sum)) }, v1.OCIRepositoryVerification{SecretRef: ref("gone")}, "spec.verify.secretRef: Secret ns/gone"},
		"a malformed key":  {func(w *world, sum string) { w.signSimple(sum, key.SignSimple(sum)) }, v1.OCIRepositoryVerification{SecretRef: ref("bad")}, "a.pub"},
		"no key":           {func(w *world, sum string) { w.signSimple(sum, key.SignSimple(sum)) }, v1.OCIRepositoryVerification{SecretRef: ref("empty")}, "no public key"},
		"another identity": {func(w *world, sum string) { w.signSimple(sum, signer.SignSimple(sum)) }, v1.OCIRepositoryVerification{TrustedRootSecretRef: ref("root"), MatchOIDCIdentity: []v1.OIDCIdentityMatch{{Issuer: "^x$", Subject: "y"}}}, "'cosign keyless'"},
		"a malformed identity": {func(w *world, sum string) { w.signSimple(sum, signer.SignSimple(sum)) },
			v1.OCIRepositoryVerification{TrustedRootSecretRef: ref("root"), MatchOIDCIdentity: []v1.OIDCIdentityMatch{{Issuer: "("}}}, "spec.verify.matchOIDCIdentity"},
		"no root":              {func(w *world, sum string) { w.signSimple(sum, signer.SignSimple(sum)) }, v1.OCIRepositoryVerification{}, "spec.verify.trustedRootSecretRef"},
		"an empty root":        {func(w *world, sum string) { w.signSimple(sum, signer.SignSimple(sum)) }, v1.OCIRepositoryVerification{TrustedRootSecretRef: ref("empty")}, "trusted_root.json"},
		"a malformed root":     {func(w *world, sum string) { w.signSimple(sum, signer.SignSimple(sum)) }, v1.OCIRepositoryVerification{TrustedRootSecretRef: ref("bad")}, "the trusted root"},
		"notation, no Secret":  {func(w *world, sum string) { w.signNotation(notary, sum) }, v1.OCIRepositoryVerification{Provider: "notation"}, "spec.verify.secretRef"},
		"notation, no policy":  {func(w *world, sum string) { w.signNotation(notary, sum) }, v1.OCIRepositoryVerification{Provider: "notation", SecretRef: ref("empty")}, "trustpolicy.json"},
		"notation, a stranger": {func(w *world, sum string) { w.signNotation(signaturetest.NewNotary(time.Now()), sum) }, v1.OCIRepositoryVerification{Provider: "notation", SecretRef: ref("notary")}, "'notation'"},
		"notation, unsigned":   {func(*world, string) {}, v1.OCIRepositoryVerification{Provider: "notation", SecretRef: ref("notary")}, "no signature"},
		"an unknown provider":  {func(*world, string) {}, v1.OCIRepositoryVerification{Provider: "gpg", SecretRef: ref("keys")}, "spec.verify.provider"},
		"a registry that fails": {func(w *world, sum string) {
			w.registry.Corrupt(ocitest.DigestOf([]byte("{}")), nil)
			w.signSimple(sum, key.SignSimple(sum))
			w.spoil(sum)
		}, v1.OCIRepositoryVerification{SecretRef: ref("keys")}, "look for signatures"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sum := w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
			test.sign(w, sum)
			w.secrets["ns/keys"] = map[string][]byte{"a.pub": key.PEM(), "other": []byte(password)}
			w.secrets["ns/bad"] = map[string][]byte{"a.pub": []byte(password), "trusted_root.json": []byte(password)}
			w.secrets["ns/empty"] = map[string][]byte{}
			w.secrets["ns/root"] = map[string][]byte{"trusted_root.json": signaturetest.JSON(instance.Root())}
			w.secrets["ns/notary"] = map[string][]byte{"trustpolicy.json": trustPolicy("strict"), "ca.crt": notary.PEM()}
			o := w.object()
			o.Spec.Verify = &test.verify
			if test.text == "" {
				w.ready(o)
				c := conditions.Get(o.Status.Conditions, api.ConditionSourceVerified)
				if c == nil || c.Status != "True" || c.Reason != api.ReasonSucceeded || c.Message != "verified signature of revision latest@"+sum {
					t.Errorf("the condition is %+v", c)
				}
				return
			}
			err := w.fails(o)
			c := conditions.Get(o.Status.Conditions, api.ConditionSourceVerified)
			if fault.Reason(err, "") != api.ReasonVerificationError || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), password) {
				t.Errorf("got %v, want %q", err, test.text)
			}
			if c == nil || c.Status != "False" || c.Reason != api.ReasonVerificationError || o.Status.Artifact != nil {
				t.Errorf("the condition is %+v, the artifact %+v", c, o.Status.Artifact)
			}
		})
	}
}

// spoil takes the content of the signatures of a manifest away.
func (w *world) spoil(sum string) {
	r, err := oci.Open(w.registry.URL(repository), oci.Options{Transport: w.registry.Server().Client().Transport, Insecure: true})
	if err != nil {
		w.t.Fatal(err)
	}
	signed, err := r.Digest(w.t.Context(), signaturetest.SimpleTag(sum))
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := r.Manifest(w.t.Context(), signed)
	if err != nil {
		w.t.Fatal(err)
	}
	w.registry.Corrupt(m.Layers[0].Digest.String(), []byte("spoiled"))
}

// signed returns a world with an object whose artifact is signed and verified.
func signed(t *testing.T) (*world, *v1.OCIRepository, signaturetest.Key) {
	t.Helper()
	w, key := newWorld(t), signaturetest.NewKey()
	w.secrets["ns/keys"] = map[string][]byte{"a.pub": key.PEM()}
	sum := w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	w.signSimple(sum, key.SignSimple(sum))
	o := w.object()
	o.Spec.Verify = &v1.OCIRepositoryVerification{Provider: "cosign", SecretRef: ref("keys")}
	w.ready(o)
	w.registry.Requests()
	return w, o, key
}

// looked says whether signatures were asked for since the last time.
func (w *world) looked() bool {
	return strings.Contains(strings.Join(w.registry.Requests(), "\n"), "referrers")
}

func TestWhenToVerify(t *testing.T) {
	w, o, key := signed(t)
	w.ready(o)
	if w.looked() {
		t.Error("what was verified is verified again")
	}
	o.Generation++
	w.ready(o)
	if !w.looked() {
		t.Error("a new generation is not verified")
	}
	if c := conditions.Get(o.Status.Conditions, api.ConditionSourceVerified); c == nil || c.ObservedGeneration != o.Generation {
		t.Errorf("the condition is %+v", c)
	}
	w.restart()
	before := o.DeepCopy()
	w.ready(o)
	if !w.looked() || cmp.Diff(before, o) != "" {
		t.Error("cold memory is not verified")
	}
	w.secrets["ns/keys"] = map[string][]byte{"a.pub": signaturetest.NewKey().PEM()}
	w.ready(o)
	if w.looked() {
		t.Error("new keys alone are no reason to look")
	}
	o.Generation++
	w.fails(o)
	w.registry.Requests()
	w.secrets["ns/keys"] = map[string][]byte{"a.pub": key.PEM()}
	w.ready(o)
	if !w.looked() || !conditions.IsTrue(o.Status.Conditions, api.ConditionSourceVerified) {
		t.Error("what failed is not verified again")
	}
	o.Spec.Verify = nil
	w.ready(o)
	if conditions.Has(o.Status.Conditions, api.ConditionSourceVerified) {
		t.Error("the condition outlives spec.verify")
	}
}

func TestUnsignedNews(t *testing.T) {
	w, o, _ := signed(t)
	recorded := o.Status.Artifact.DeepCopy()
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "evil"})
	for _, cold := range []bool{false, true} {
		if cold {
			w.restart()
		}
		if err := w.fails(o); !errors.Is(err, signature.ErrUnsigned) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(recorded, o.Status.Artifact); diff != "" || w.files(o)["a"] != "1" {
			t.Errorf("cold %v: the files are %v\n%s", cold, w.files(o), diff)
		}
		if !conditions.IsFalse(o.Status.Conditions, api.ConditionSourceVerified) {
			t.Errorf("the conditions are %+v", o.Status.Conditions)
		}
	}
}

func TestSuspendedIsVerified(t *testing.T) {
	w, o, _ := signed(t)
	o.Spec.Suspend = true
	w.restart()
	w.secrets["ns/keys"] = map[string][]byte{"a.pub": signaturetest.NewKey().PEM()}
	before := o.DeepCopy()
	if err := w.fails(o); !errors.Is(err, signature.ErrInvalid) || cmp.Diff(before, o) != "" || w.files(o) != nil {
		t.Errorf("got %v and the files %v", err, w.files(o))
	}
}

func TestPublicInstance(t *testing.T) {
	w := newWorld(t)
	instance := signaturetest.NewSigstore(time.Now())
	root, err := signature.ParseRoot(signaturetest.JSON(instance.Root()))
	if err != nil {
		t.Fatal(err)
	}
	offline := errors.New("no network")
	w.options.Root = func(context.Context) (*signature.Root, error) { return root, offline }
	w.restart()
	sum := w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	w.signBundle(sum, instance.Signer("https://issuer.test", "https://git.test/apps", signaturetest.Options{}).SignBundle(sum))
	o := w.object()
	o.Spec.Verify = &v1.OCIRepositoryVerification{Provider: "cosign"}
	if err := w.fails(o); !errors.Is(err, offline) {
		t.Errorf("got %v", err)
	}
	offline = nil
	w.ready(o)
}

func TestPolicyThatIgnores(t *testing.T) {
	w := newWorld(t)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	w.secrets["ns/notary"] = map[string][]byte{"trustpolicy.json": trustPolicy("skip"), "ca.crt": signaturetest.NewNotary(time.Now()).PEM()}
	o := w.object()
	o.Spec.Verify = &v1.OCIRepositoryVerification{Provider: "notation", SecretRef: ref("notary")}
	w.ready(o)
	if conditions.Has(o.Status.Conditions, api.ConditionSourceVerified) || w.files(o)["a"] != "1" {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}
