package sources

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/signature/signaturetest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// cosigner makes a key and the Secret name with its public half.
func (w sources) cosigner(name string) *upstream.Cosigner {
	w.T.Helper()
	c, err := upstream.NewCosigner()
	if err != nil {
		w.T.Fatal(err)
	}
	w.Secret(name, map[string]string{"cosign.pub": string(c.PublicKey)})
	return c
}

func TestOCIVerification(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	ours, theirs := w.cosigner("ours"), w.cosigner("theirs")
	sign := func(c *upstream.Cosigner, revision string) {
		t.Helper()
		_, digest, _ := strings.Cut(revision, "@")
		if err := c.Sign(t.Context(), r, "apps/web", digest); err != nil {
			t.Fatal(err)
		}
	}
	first := w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", "1")})
	sign(ours, first)
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), "verify: {provider: cosign, secretRef: {name: ours}}")
	w.apply("web", "OCIRepository", "web")
	w.Wait(harness.Kustomized, "web", applied(first))
	verified, message := world.Condition(w.Get(api.OCIRepositoryGVR, "web"), "SourceVerified")
	world.Equal(t, "SourceVerified", "True/Succeeded", verified)
	world.Equal(t, "message", "verified signature of revision "+first, message)

	// Neither what nobody has signed nor what somebody else has is taken.
	second := w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", "2")})
	for _, signed := range []bool{false, true} {
		if signed {
			sign(theirs, second)
		}
		obj := w.Wait(api.OCIRepositoryGVR, "web", world.All(
			harness.Field(w.Request(api.OCIRepositoryGVR, "web"), "status", "lastHandledReconcileAt"),
			harness.Failed("VerificationError"), world.Has("SourceVerified", "False/VerificationError")))
		world.Equal(t, "revision", first, world.Revision(obj))
	}
	w.Reconciled(harness.Kustomized, "web")
	w.Wait(harness.ConfigMaps, "web", data("1"))
	sign(ours, second)
	w.Request(api.OCIRepositoryGVR, "web")
	w.Wait(harness.Kustomized, "web", applied(second))
}

func TestHelmChartVerification(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	c := w.cosigner("ours")
	digest := w.pushChart(r, "charts", web("1.0.0"))
	w.source("HelmRepository", "charts", "type: oci", "url: oci://"+r.Host()+"/charts", "insecure: true")
	w.chart("web", "web", "HelmRepository", "charts", `version: "1.0.0"`, "verify: {provider: cosign, secretRef: {name: ours}}")
	w.Wait(api.HelmChartGVR, "web", world.All(
		world.Has("Ready", "False/VerificationError"), world.Has("SourceVerified", "False/VerificationError"), world.Has("BuildFailed", "True/ChartVerificationError")))
	if err := c.Sign(t.Context(), r, "charts/web", digest); err != nil {
		t.Fatal(err)
	}
	obj := w.Wait(api.HelmChartGVR, "web", at("1.0.0"))
	_, message := world.Condition(obj, "SourceVerified")
	world.Equal(t, "message", "verified signature of version 1.0.0", message)
}

const (
	oidcIssuer = "https://token.actions.example"
	workflow   = "https://github.example/team/apps/.github/workflows/release.yaml@refs/tags/v1"
)

// unverified waits until a source says that what is there does not verify, and fails the
// test unless it has what it had.
func (w sources) unverified(name, revision string, parts ...string) {
	w.T.Helper()
	obj := w.Wait(api.OCIRepositoryGVR, name, world.All(
		harness.Field(w.Request(api.OCIRepositoryGVR, name), "status", "lastHandledReconcileAt"),
		harness.Failed("VerificationError"), world.Has("SourceVerified", "False/VerificationError")))
	world.Equal(w.T, "revision", revision, world.Revision(obj))
	_, message := world.Condition(obj, "SourceVerified")
	world.Contains(w.T, "message", message, parts...)
}

// Signatures without a key hold by a trusted root of the site's own, without any network
// but the registry, in the form of the day and in that of before.
func TestOCIKeylessVerification(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	instance := signaturetest.NewSigstore(time.Now())
	ours := instance.Signer(oidcIssuer, workflow, signaturetest.Options{})
	theirs := instance.Signer(oidcIssuer, "https://github.example/somebody/else", signaturetest.Options{})
	w.Secret("root", map[string]string{"trusted_root.json": string(signaturetest.JSON(instance.Root()))})
	push := func(value string) (revision, digest string) {
		revision = w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", value)})
		_, digest, _ = strings.Cut(revision, "@")
		return revision, digest
	}
	bundle := func(digest string, bundle map[string]any) {
		t.Helper()
		if err := r.Attach(t.Context(), "apps/web", digest, upstream.Artifact{
			Type: signaturetest.BundleType, Config: upstream.Blob{MediaType: "application/vnd.oci.empty.v1+json", Content: []byte("{}")},
			Layers: []upstream.Blob{{MediaType: signaturetest.BundleType, Content: signaturetest.JSON(bundle)}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	first, digest := push("1")
	bundle(digest, ours.SignBundle(digest))
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), "verify:\n  provider: cosign\n  trustedRootSecretRef: {name: root}\n  matchOIDCIdentity:\n"+
		`    - {issuer: "^https://token\\.actions\\.example$", subject: "^https://github\\.example/team/"}`)
	w.Wait(api.OCIRepositoryGVR, "web", world.All(at(first), world.Has("SourceVerified", "True/Succeeded")))

	second, digest := push("2")
	w.unverified("web", first, "cosign keyless", "no signature found")
	bundle(digest, theirs.SignBundle(digest))
	w.unverified("web", first, "none of the identities matches", "somebody/else")
	bundle(digest, ours.SignBundle(strings.Replace(digest, "sha256:", "sha256:0", 1)[:len(digest)])) // of something else
	w.unverified("web", first)
	simple := ours.SignSimple(digest)
	if err := upstream.PushSimple(t.Context(), r, "apps/web", digest, simple.Content, simple.Annotations); err != nil {
		t.Fatal(err)
	}
	w.Request(api.OCIRepositoryGVR, "web")
	w.Wait(api.OCIRepositoryGVR, "web", at(second))

	stranger := signaturetest.NewSigstore(time.Now())
	third, digest := push("3")
	bundle(digest, stranger.Signer(oidcIssuer, workflow, signaturetest.Options{}).SignBundle(digest))
	w.unverified("web", second, "not")
	w.Patch(world.Secrets, "root", map[string]any{"stringData": map[string]any{"trusted_root.json": string(signaturetest.JSON(stranger.Root()))}})
	w.Wait(api.OCIRepositoryGVR, "web", at(third)) // the retry reads the Secret anew
}

// A trust policy decides about signatures of notation.
func TestOCINotationVerification(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	ours, theirs := signaturetest.NewNotary(time.Now()), signaturetest.NewNotary(time.Now())
	policy := func(level string) string {
		return fmt.Sprintf(`{"version":"1.0","trustPolicies":[{"name":"ours","registryScopes":["*"],"signatureVerification":{"level":%q,`+
			`"override":{"revocation":"skip"}},"trustStores":["ca:ours"],"trustedIdentities":["*"]}]}`, level)
	}
	w.Secret("ours", map[string]string{"trustpolicy.json": policy("strict"), "ours.crt": string(ours.PEM())})
	const mediaType = "application/jose+json"
	sign := func(by *signaturetest.Notary, revision string) {
		t.Helper()
		_, digest, _ := strings.Cut(revision, "@")
		size, err := r.Size(t.Context(), "apps/web", digest)
		if err == nil {
			err = r.Attach(t.Context(), "apps/web", digest, upstream.Artifact{
				Type: signaturetest.NotationType, Config: upstream.Blob{MediaType: signaturetest.NotationType, Content: []byte("{}")},
				Layers: []upstream.Blob{{MediaType: mediaType, Content: by.Sign(mediaType, upstream.MediaManifest, digest, size)}},
			})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	push := func(value string) string {
		return w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", value)})
	}
	first := push("1")
	sign(ours, first)
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), "verify: {provider: notation, secretRef: {name: ours}}")
	w.Wait(api.OCIRepositoryGVR, "web", world.All(at(first), world.Has("SourceVerified", "True/Succeeded")))

	second := push("2")
	w.unverified("web", first, "notation")
	sign(theirs, second)
	w.unverified("web", first, "notation")
	// A policy that merely takes note lets it in, and nobody says that it was verified.
	w.Patch(world.Secrets, "ours", map[string]any{"stringData": map[string]any{"trustpolicy.json": policy("audit")}})
	w.Request(api.OCIRepositoryGVR, "web")
	w.Wait(api.OCIRepositoryGVR, "web", world.All(at(second), world.Has("SourceVerified", "")))
}
