package main

import (
	"strings"
	"testing"
)

// stockFlags are the flags of the Flux controllers that fluxd stands in for, each with a
// value that is not the default, and the gates of each. A Deployment of Flux that has
// any of them must start as fluxd.
var stockFlags = map[string]struct{ flags, gates string }{
	"all": {
		"--metrics-addr=:1 --health-addr=:2 --events-addr=http://n/ --log-level=debug --log-encoding=console --concurrent=7 --requeue-dependency=7s " +
			"--kube-api-qps=7 --kube-api-burst=7 --min-retry-delay=1s --max-retry-delay=1m --interval-jitter-percentage=7 --watch-all-namespaces=false " +
			"--watch-label-selector=a=b --watch-configs-label-selector= --enable-leader-election --leader-election-release-on-cancel=false " +
			"--leader-election-lease-duration=7s --leader-election-renew-deadline=6s --leader-election-retry-period=5s " +
			"--default-service-account=a --token-cache-max-size=7 --token-cache-max-duration=7m",
		"CacheSecretsAndConfigMaps ObjectLevelWorkloadIdentity",
	},
	"source-controller": {
		"--storage-path=/s --storage-addr=:9 --storage-adv-addr=s --artifact-retention-ttl=7s --artifact-retention-records=7 --artifact-digest-algo=sha256 " +
			"--helm-index-max-size=7 --helm-chart-max-size=7 --helm-chart-file-max-size=7 --helm-cache-max-size=7 --helm-cache-ttl=7m --helm-cache-purge-interval=7m " +
			"--ssh-kex-algos=curve25519-sha256 --ssh-hostkey-algos=ssh-ed25519",
		"OptimizedGitClones",
	},
	"kustomize-controller": {
		"--concurrent-ssa=7 --no-remote-bases --no-cross-namespace-refs --http-retry=7 --default-decryption-service-account=a --default-kubeconfig-service-account=a " +
			"--sops-age-secret=a --sops-vault-configmap=a --override-manager=a --custom-apply-stage-kinds=a/B --insecure-kubeconfig-exec --insecure-kubeconfig-tls",
		"AdditiveCELDependencyCheck CancelHealthCheckOnNewRevision DirectSourceFetch DisableConfigWatchers DisableFailFastBehavior DisableStatusPollerCache " +
			"ExternalArtifact GroupChangeLog MigrateAPIVersion StrictPostBuildSubstitutions",
	},
	"helm-controller": {
		"--no-cross-namespace-refs --http-retry=7 --http-timeout=7s --graceful-shutdown-timeout=7s --snapshot-digest-algo=sha512 --override-manager=a " +
			"--default-kubeconfig-service-account=a --insecure-kubeconfig-exec --insecure-kubeconfig-tls --oom-watch-interval=1s --oom-watch-memory-threshold=90 " +
			"--oom-watch-max-memory-path=/m --oom-watch-current-memory-path=/c",
		"AdditiveCELDependencyCheck AdoptLegacyReleases AllowDNSLookups CancelHealthCheckOnNewRevision CorrectDrift DefaultToRetryOnFailure DetectDrift DirectSourceFetch " +
			"DisableChartDigestTracking DisableConfigWatchers ExternalArtifact OOMWatch UseHelm3Defaults",
	},
}

func TestFlagsOfFlux(t *testing.T) {
	t.Setenv("RUNTIME_NAMESPACE", "flux-system")
	for controller, has := range stockFlags {
		gates := strings.Fields(has.gates + " ObjectLevelWorkloadIdentity")
		for _, value := range []string{"=true", "=false"} {
			if value == "=false" {
				gates = strings.Fields(has.gates)
			}
			args := strings.Fields(has.flags)
			if value == "=false" { // what needs a gate to be on
				args = without(args, "--default-decryption-", "--default-kubeconfig-", "--oom-watch-")
			}
			if _, err := parse(t, append(args, "--feature-gates="+strings.Join(gates, value+",")+value)...); err != nil {
				t.Errorf("%s, gates%s: %v", controller, value, err)
			}
		}
	}
}

// without returns args but for those that begin in one of some ways.
func without(args []string, prefixes ...string) []string {
	var rest []string
next:
	for _, arg := range args {
		for _, prefix := range prefixes {
			if strings.HasPrefix(arg, prefix) {
				continue next
			}
		}
		rest = append(rest, arg)
	}
	return rest
}
