package main

import (
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/pflag"

	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/reconcilers/all"
	rendered "github.com/fluxd/fluxd/pkg/render/helm"
)

// releaseFlags are the flags that concern HelmReleases alone.
type releaseFlags struct {
	algorithm string // of the digests in the history
}

func (r *releaseFlags) register(f *pflag.FlagSet) {
	f.StringVar(&r.algorithm, "snapshot-digest-algo", r.algorithm, "digest of the releases in the history of a HelmRelease: sha256, sha384 or sha512")
}

func (r *releaseFlags) validate() error {
	if !digest.Algorithm(r.algorithm).Available() {
		return fmt.Errorf("--snapshot-digest-algo: %q is not supported", r.algorithm)
	}
	return nil
}

// releaser returns what acts on releases.
func (o *options) releaser() *release.Releaser {
	return release.New(release.Config{
		Algorithm:    digest.Algorithm(o.releases.algorithm),
		ConfigDigest: func(values map[string]any) string { return rendered.ConfigDigest(digest.Canonical, values) },
	})
}

// helmRelease returns the settings of HelmReleases.
func (o *options) helmRelease() all.HelmRelease {
	return all.HelmRelease{
		NoCrossNamespaceRefs: o.noCrossNamespace, FullResync: o.fullResync,
		AdditiveReadyExpr: o.gates.on("AdditiveCELDependencyCheck"), AllowDNS: o.gates.on("AllowDNSLookups"),
		IgnoreChartDigests: o.gates.on("DisableChartDigestTracking"), Helm3Defaults: o.gates.on("UseHelm3Defaults"),
		RetryByDefault: o.gates.on("DefaultToRetryOnFailure"), CancelOnNews: o.gates["CancelHealthCheckOnNewRevision"],
		ObjectLevelIdentity: o.gates.on("ObjectLevelWorkloadIdentity"), DecryptionAccount: o.decryptionAccount,
	}
}
