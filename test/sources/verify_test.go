package sources

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
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
