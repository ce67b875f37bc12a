package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/install"
)

// controller is the Deployment of a Flux controller with the arguments of its manifest
// and more.
func controller(name, more string) install.Controller {
	args := "--events-addr=http://notification-controller.flux-system.svc.cluster.local./ --watch-all-namespaces=true --log-level=info " +
		"--log-encoding=json --enable-leader-election "
	if name == api.ComponentSource {
		args += "--storage-path=/data --storage-adv-addr=source-controller.flux-system.svc.cluster.local. "
	}
	return install.Controller{Namespace: "flux-system", Name: name, Args: strings.Fields(args + more)}
}

// heard are the settings of a fluxd with arguments of its own, beside controllers with
// arguments.
func heard(t *testing.T, own string, controllers ...install.Controller) (settings, error) {
	t.Helper()
	t.Setenv("RUNTIME_NAMESPACE", "flux-system")
	o, err := parse(t, strings.Fields(own)...)
	if err != nil {
		t.Fatal(err)
	}
	return o.heed(controllers)
}

// The arguments in deploy/.
const deployed = "--events-addr= --watch-all-namespaces=true --log-level=info --log-encoding=json --enable-leader-election --cache-dir=/data/cache"

// The lockdown that the documentation of Flux has people patch into their Deployments
// counts, for the kinds of each.
func TestHeedLockdown(t *testing.T) {
	s, err := heard(t, deployed,
		controller(api.ComponentSource, ""),
		controller(api.ComponentKustomize, "--no-cross-namespace-refs=true --no-remote-bases=true --default-service-account=default"),
		controller(api.ComponentHelm, "--default-service-account=other"))
	if err != nil {
		t.Fatal(err)
	}
	type lockdown struct {
		refs, bases bool
		account     string
	}
	for name, tt := range map[string]struct {
		o    *options
		want lockdown
	}{
		"the process":    {s.process, lockdown{}},
		"sources":        {s.sources, lockdown{}},
		"Kustomizations": {s.kustomize, lockdown{true, true, "default"}},
		"HelmReleases":   {s.helm, lockdown{account: "other"}},
	} {
		got := lockdown{tt.o.noCrossNamespace, tt.o.noRemoteBases, tt.o.tenancy.account}
		if got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if tt.o.cacheDir != "/data/cache" || !tt.o.election || tt.o.namespace != "flux-system" || tt.o.eventsAddr != "" {
			t.Errorf("%s: what fluxd was told is lost", name)
		}
	}
}

// What people scale and tune.
func TestHeedTuning(t *testing.T) {
	s, err := heard(t, deployed+" --concurrent-ssa=7 --feature-gates=MigrateAPIVersion=true --override-manager=mine",
		controller(api.ComponentSource, "--concurrent=10 --requeue-dependency=5s --helm-chart-max-size=20971520 --ssh-kex-algos=a,b --interval-jitter-percentage=20"),
		controller(api.ComponentKustomize, "--concurrent=20 --concurrent=21 --concurrent-ssa=9 --kube-api-qps=500 --override-manager=theirs --interval-jitter-percentage=20 "+
			"--feature-gates=ExternalArtifact=true,DisableFailFastBehavior=true --feature-gates=MigrateAPIVersion=false"),
		controller(api.ComponentHelm, "--feature-gates=OOMWatch=true,DisableFailFastBehavior=false --oom-watch-memory-threshold=90"))
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		s.process.concurrent, s.sources.concurrent, s.kustomize.concurrent, s.helm.concurrent, s.sources.requeueDependency.String(), s.helm.requeueDependency.String(),
		s.kustomize.concurrentSSA, s.kustomize.overrideManagers, s.sources.chartMax.String(), s.helm.chartMax.String(), s.sources.kexAlgos,
		s.process.jitterPercent, s.process.qps, s.process.memory.threshold,
		s.process.gates.String(), s.kustomize.gates.String(), s.helm.gates["DisableFailFastBehavior"],
	}
	want := []any{
		4, 10, 21, 4, "5s", "30s",
		7, []string{"mine"}, "20Mi", "10Mi", []string{"a", "b"},
		20, float32(-1), 90,
		"ExternalArtifact=true,MigrateAPIVersion=true,OOMWatch=true",
		"DisableFailFastBehavior=true,ExternalArtifact=true,MigrateAPIVersion=true,OOMWatch=true", false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(s.notes) > 0 {
		t.Errorf("notes: %v", s.notes)
	}
}

// Where one process cannot be two things it stays what it is, and says so.
func TestHeedDisagreement(t *testing.T) {
	s, err := heard(t, deployed, controller(api.ComponentSource, "--max-retry-delay=1m"), controller(api.ComponentHelm, "--max-retry-delay=2m"))
	if err != nil {
		t.Fatal(err)
	}
	if s.process.maxRetry != defaults().maxRetry || len(s.notes) != 1 || !strings.Contains(s.notes[0], "--max-retry-delay") {
		t.Errorf("%s, notes %v", s.process.maxRetry, s.notes)
	}
	own, err := heard(t, deployed+" --max-retry-delay=3m", controller(api.ComponentSource, "--max-retry-delay=1m"))
	if err != nil || own.process.maxRetry.String() != "3m0s" {
		t.Errorf("fluxd was told 3m: %s, %v", own.process.maxRetry, err)
	}
}

// Controllers that say nothing of their own make no difference.
func TestHeedNothing(t *testing.T) {
	alone, err := heard(t, deployed)
	if err != nil {
		t.Fatal(err)
	}
	plain := []install.Controller{controller(api.ComponentSource, ""), controller(api.ComponentKustomize, "--log-level=debug")}
	beside, err := heard(t, deployed, plain...)
	if err != nil || beside.String() != alone.String() {
		t.Errorf("error %v, difference %s", err, cmp.Diff(alone.String(), beside.String()))
	}
	tuned, err := heard(t, deployed, controller(api.ComponentHelm, "--concurrent=5"))
	if err != nil || tuned.String() == alone.String() {
		t.Errorf("error %v, or no difference", err)
	}
	again := slices.Clone(plain)
	again[1].Restarted = "now"
	if !restarted(plain, again) || restarted(plain, plain) || restarted(nil, again) || restarted(plain, nil) {
		t.Error("a restart is not what was asked for by a change of the annotation")
	}
}

// What fluxd does not know, or cannot do, keeps it from starting, by name.
func TestHeedRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		own, theirs string
		parts       []string
	}{
		"a flag that nobody has":  {deployed, "--no-cross-namespace-ref=true", []string{"flux-system/kustomize-controller", "no-cross-namespace-ref"}},
		"a value that is none":    {deployed, "--no-remote-bases=maybe", []string{"flux-system/kustomize-controller", "no-remote-bases"}},
		"an account that is none": {deployed, "--default-service-account=a:b", []string{"flux-system/kustomize-controller", "default-service-account"}},
		"a gate that nobody has":  {deployed, "--feature-gates=FlyToTheMoon=true", []string{"FlyToTheMoon"}},
		"a word":                  {deployed, "run", []string{`"run" is not a flag`}},
		"fewer namespaces":        {deployed, "--watch-all-namespaces=false", []string{"kustomize-controller has --watch-all-namespaces=false and fluxd --watch-all-namespaces=true"}},
		"a shard":                 {deployed, "--watch-label-selector=!sharding.fluxcd.io/key", []string{"--watch-label-selector"}},
	} {
		_, err := heard(t, tt.own, controller(api.ComponentKustomize, tt.theirs))
		if err == nil {
			t.Errorf("%s: it is not refused", name)
			continue
		}
		for _, part := range tt.parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: no %q in %v", name, part, err)
			}
		}
	}
	for _, theirs := range []string{"", "--watch-label-selector=!sharding.fluxcd.io/key"} {
		if _, err := heard(t, deployed+" --watch-label-selector=sharding.fluxcd.io/key=shard1", controller(api.ComponentHelm, theirs)); err != nil {
			t.Errorf("a shard beside %q: %v", theirs, err)
		}
	}
}

// What is heeded is a flag.
func TestReaches(t *testing.T) {
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	defaults().register(f)
	for name := range reaches {
		if f.Lookup(name) == nil {
			t.Errorf("--%s is heeded and no flag", name)
		}
	}
}
