package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/kube"
)

// parse reads a command line as run does.
func parse(t *testing.T, args ...string) (*options, error) {
	t.Helper()
	o := defaults()
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	o.register(f)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	return o, o.validate()
}

// What cannot work is refused by the name of the flag.
func TestOptions(t *testing.T) {
	tests := map[string]struct {
		args      string
		namespace string // RUNTIME_NAMESPACE
		refused   string // the flag, if any
	}{
		"nothing":                    {"", "", ""},
		"as a Deployment of Flux":    {"--events-addr=http://n/ --watch-all-namespaces=true --log-level=info --log-encoding=json --enable-leader-election", "flux-system", ""},
		"of the source-controller":   {"--storage-path=/data --storage-adv-addr=source-controller.$(RUNTIME_NAMESPACE).svc.cluster.local. --storage-addr=:9090 --artifact-retention-ttl=60s --artifact-retention-records=2", "", ""},
		"jitter":                     {"--interval-jitter-percentage=99", "", ""},
		"too much jitter":            {"--interval-jitter-percentage=100", "", "interval-jitter-percentage"},
		"negative jitter":            {"--interval-jitter-percentage=-1", "", "interval-jitter-percentage"},
		"nobody works":               {"--concurrent=0", "", "concurrent"},
		"nobody applies":             {"--concurrent-ssa=0", "", "concurrent-ssa"},
		"retries without delay":      {"--min-retry-delay=0s", "", "min-retry-delay"},
		"delays upside down":         {"--min-retry-delay=2m --max-retry-delay=1m", "", "min-retry-delay"},
		"a shard":                    {"--watch-label-selector=sharding.fluxcd.io/key=shard1", "", ""},
		"no selector":                {"--watch-label-selector=a=b=c", "", "watch-label-selector"},
		"no selector of configs":     {"--watch-configs-label-selector=a=b=c", "", "watch-configs-label-selector"},
		"one namespace":              {"--watch-all-namespaces=false", "edge", ""},
		"one namespace, but which":   {"--watch-all-namespaces=false", "", "watch-all-namespaces"},
		"an election where":          {"--enable-leader-election", "", "enable-leader-election"},
		"a level that is none":       {"--log-level=loud", "", "log-level"},
		"an encoding that is none":   {"--log-encoding=xml", "", "log-encoding"},
		"another digest":             {"--artifact-digest-algo=sha512", "", "artifact-digest-algo"},
		"a flag that nobody has":     {"--no-such-flag", "", "no-such-flag"},
		"a size that is none":        {"--artifact-budget=much", "", "artifact-budget"},
		"a gate":                     {"--feature-gates=DisableConfigWatchers=true", "", ""},
		"a gate that is none":        {"--feature-gates=FlyToTheMoon=true", "", "feature-gates"},
		"keys for everybody":         {"--sops-age-secret=keys --sops-vault-configmap=vaults", "edge", ""},
		"keys, but where":            {"--sops-age-secret=keys", "", "sops-age-secret"},
		"vaults, but where":          {"--sops-vault-configmap=vaults", "", "sops-vault-configmap"},
		"an identity for decryption": {"--default-decryption-service-account=kms --feature-gates=ObjectLevelWorkloadIdentity=true", "", ""},
		"an identity without a gate": {"--default-decryption-service-account=kms", "", "default-decryption-service-account"},
		"a default account":          {"--default-service-account=tenant", "", ""},
		"an account that is none":    {"--default-service-account=a:b", "", "default-service-account"},
		"an account with a sign":     {"--default-service-account=a%20", "", "default-service-account"},
		"insecure kubeconfigs":       {"--insecure-kubeconfig-exec --insecure-kubeconfig-tls", "", ""},
		"tokens without the gate":    {"--default-kubeconfig-service-account=a", "", "default-kubeconfig-service-account"},
		"tokens with the gate":       {"--default-kubeconfig-service-account=a --feature-gates=ObjectLevelWorkloadIdentity=true", "", ""},
		"more than one thing at one": {"--concurrent=0 --log-level=loud", "", "log-level"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("RUNTIME_NAMESPACE", test.namespace)
			_, err := parse(t, strings.Fields(test.args)...)
			if (err != nil) != (test.refused != "") {
				t.Fatalf("error %v, want one about %q", err, test.refused)
			}
			if err != nil && !strings.Contains(err.Error(), "--"+test.refused) {
				t.Errorf("error %v does not name --%s", err, test.refused)
			}
		})
	}
}

// Secrets are kept only where somebody tells of their changes.
func TestKnownSecrets(t *testing.T) {
	for args, want := range map[string]bool{"": true, "--feature-gates=DisableConfigWatchers=true": false} {
		o, err := parse(t, strings.Fields(args)...)
		if err != nil {
			t.Fatal(err)
		}
		d := &daemon{options: o, secrets: &kube.Secrets{}}
		if got := d.known() != nil; got != want {
			t.Errorf("%q: Secrets are kept: %t, want %t", args, got, want)
		}
	}
}

// Whoever locks tenants into their ServiceAccounts means the identities in clouds as well,
// where these go by ServiceAccounts.
func TestCloudAccount(t *testing.T) {
	for args, want := range map[string]string{
		"": "", "--default-service-account=tenant": "", "--feature-gates=ObjectLevelWorkloadIdentity=true": "",
		"--default-service-account=tenant --feature-gates=ObjectLevelWorkloadIdentity=true": "tenant",
	} {
		o, err := parse(t, strings.Fields(args)...)
		if err != nil || o.cloudAccount() != want {
			t.Errorf("%q: got %q (%v), want %q", args, o.cloudAccount(), err, want)
		}
	}
}

func TestOptionsFromTheEnvironment(t *testing.T) {
	t.Setenv("EVENTS_ADDR", "http://from-env")
	t.Setenv("METRICS_ADDR", ":1")
	t.Setenv("STORAGE_ADV_ADDR", "host")
	t.Setenv("RUNTIME_NAMESPACE", "edge")
	o, err := parse(t, "--metrics-addr=:2")
	if err != nil {
		t.Fatal(err)
	}
	if o.eventsAddr != "http://from-env" || o.metricsAddr != ":2" || o.storageAddr != "host" {
		t.Errorf("events %q, metrics %q, storage %q", o.eventsAddr, o.metricsAddr, o.storageAddr)
	}
	if o.scopeNamespace() != "" {
		t.Errorf("limited to %q", o.scopeNamespace())
	}
	if o, err = parse(t, "--watch-all-namespaces=false"); err != nil || o.scopeNamespace() != "edge" {
		t.Errorf("limited to %q (%v)", o.scopeNamespace(), err)
	}
}

// The defaults that people know from Flux.
func TestDefaults(t *testing.T) {
	o, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{o.minRetry, o.maxRetry, o.jitterPercent, o.requeueDependency, o.leaseDuration, o.electionRenewDeadline,
		o.electionRetry, o.electionRelease, o.allNamespaces, o.concurrent, o.concurrentSSA, o.configSelector, o.logLevel, o.healthAddr}
	want := []any{750 * time.Millisecond, 15 * time.Minute, 5, 30 * time.Second, 35 * time.Second, 30 * time.Second,
		5 * time.Second, true, true, 4, 4, "reconcile.fluxcd.io/watch=Enabled", "info", ":9440"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got): %s", diff)
	}
}

func TestStages(t *testing.T) {
	o := &options{stageKinds: "example.com/Issuer, Secret,,"}
	want := []schema.GroupKind{{Group: "example.com", Kind: "Issuer"}, {Kind: "Secret"}}
	if diff := cmp.Diff(want, o.stages()); diff != "" {
		t.Errorf("stages (-want +got): %s", diff)
	}
}

func TestBaseURL(t *testing.T) {
	for address, want := range map[string]string{
		"":                     "http://source-controller.flux-system.svc.cluster.local./",
		"host:9090":            "http://host:9090/",
		"host/":                "http://host/",
		"https://example.com/": "https://example.com/",
	} {
		if got := baseURL(address); got != want {
			t.Errorf("%q: %s, want %s", address, got, want)
		}
	}
}

func TestLeaseName(t *testing.T) {
	if got := leaseName(ourLease, ""); got != "fluxd-leader-election" {
		t.Errorf("the Lease is %s", got)
	}
	one, two := leaseName(ourLease, "shard=1"), leaseName(ourLease, "shard=2")
	if one == two || one != leaseName(ourLease, "shard=1") || !strings.HasPrefix(one, "fluxd-leader-election-") {
		t.Errorf("the Leases of two shards are %s and %s", one, two)
	}
	if first, second := identity(), identity(); first == second {
		t.Error("two processes have one name")
	}
}
