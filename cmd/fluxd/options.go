package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/apply"
)

// options are the flags of run. Their names are those of the stock controllers
// wherever these have one.
type options struct {
	kubeconfig string
	qps        float32
	burst      int

	metricsAddr, healthAddr, eventsAddr string
	apiAddr                             string
	recordEvents, pprof                 bool
	logLevel, logEncoding               string

	allNamespaces  bool
	namespace      string // from RUNTIME_NAMESPACE
	watchSelector  string
	configSelector string

	concurrent, concurrentSSA int
	requeueDependency         time.Duration
	minRetry, maxRetry        time.Duration
	jitterPercent             int
	fullResync                time.Duration
	grace                     time.Duration

	noRemoteBases, noCrossNamespace bool
	overrideManagers                []string
	stageKinds, pruneBudget         string
	ageSecret, decryptionAccount    string
	vaultConfigMap                  string

	storageAddr, artifactAddr                         string
	artifactBudget, buildBudget, cacheSize, sourceMax quantity
	cacheDir                                          string
	kexAlgos, hostKeyAlgos                            []string
	indexMax, chartMax, chartFileMax                  quantity
	tokenCacheSize, httpRetry                         int
	tokenCacheTime                                    time.Duration

	election                                            bool
	electionRelease, compatLeases, compatArgs           bool
	leaseDuration, electionRenewDeadline, electionRetry time.Duration

	gates    gates
	tenancy  tenancyFlags
	releases releaseFlags
	memory   memoryFlags
	ignored  ignored

	given   *pflag.FlagSet // who set what; nil if nobody registered the flags
	preview bool           // nothing is going to be done
}

func defaults() *options {
	return &options{
		qps: -1, burst: 300,
		metricsAddr: ":8080", healthAddr: ":9440", recordEvents: true,
		logLevel: "info", logEncoding: "json",
		allNamespaces: true, namespace: os.Getenv("RUNTIME_NAMESPACE"),
		configSelector: "reconcile.fluxcd.io/watch=Enabled",
		concurrent:     4, concurrentSSA: 4,
		requeueDependency: 30 * time.Second,
		minRetry:          750 * time.Millisecond, maxRetry: 15 * time.Minute,
		jitterPercent: 5, fullResync: time.Hour, grace: 20 * time.Second,
		artifactBudget: 32 << 20, buildBudget: 16 << 20, cacheSize: 256 << 20, sourceMax: 256 << 20,
		indexMax: 50 << 20, chartMax: 10 << 20, chartFileMax: 5 << 20,
		tokenCacheSize: 100, tokenCacheTime: time.Hour, httpRetry: 9,
		electionRelease: true, compatLeases: true, compatArgs: true, leaseDuration: 35 * time.Second,
		electionRenewDeadline: 30 * time.Second, electionRetry: 5 * time.Second,
		gates: gates{}, releases: releaseFlags{algorithm: "sha256"}, memory: memoryFlags{interval: 500 * time.Millisecond, threshold: 95},
	}
}

func (o *options) register(f *pflag.FlagSet) {
	o.given = f
	f.SortFlags = false
	o.registerProcess(f)
	o.registerScope(f)
	o.tenancy.register(f)
	o.registerWork(f)
	o.registerArtifacts(f)
	o.releases.register(f)
	o.memory.register(f)
	o.registerElection(f)
	f.Var(&o.gates, "feature-gates", "comma-separated list of Name=true or Name=false")
	o.ignored.register(f)
}

func (o *options) registerProcess(f *pflag.FlagSet) {
	f.StringVar(&o.kubeconfig, "kubeconfig", o.kubeconfig, "path of the kubeconfig; empty means KUBECONFIG, or the service account in a Pod")
	f.Float32Var(&o.qps, "kube-api-qps", o.qps, "requests per second to the API server; negative leaves it to the server's priority and fairness")
	f.IntVar(&o.burst, "kube-api-burst", o.burst, "requests to the API server that may exceed --kube-api-qps for a moment")
	f.StringVar(&o.metricsAddr, "metrics-addr", envOr("METRICS_ADDR", o.metricsAddr), "address of /metrics; 0 switches it off")
	f.StringVar(&o.healthAddr, "health-addr", o.healthAddr, "address of /healthz and /readyz; 0 switches them off")
	f.StringVar(&o.apiAddr, "api-addr", o.apiAddr, "address of the API for callers with a token of the cluster, such as 127.0.0.1:9292; empty serves none")
	f.StringVar(&o.eventsAddr, "events-addr", envOr("EVENTS_ADDR", o.eventsAddr), "address that events are posted to; empty posts none")
	f.BoolVar(&o.recordEvents, "record-events", o.recordEvents, "write Kubernetes events; without them every rollout costs the API server two or three writes less, and conditions say the same")
	f.BoolVar(&o.pprof, "pprof", o.pprof, "serve /debug/pprof on the metrics address")
	f.StringVar(&o.logLevel, "log-level", o.logLevel, "trace, debug, info or error")
	f.StringVar(&o.logEncoding, "log-encoding", o.logEncoding, "json or console")
	f.DurationVar(&o.grace, "graceful-shutdown-timeout", o.grace, "how long running reconciles may go on when the process is told to stop")
}

func (o *options) registerScope(f *pflag.FlagSet) {
	f.BoolVar(&o.allNamespaces, "watch-all-namespaces", o.allNamespaces, "look after all namespaces; false means that of RUNTIME_NAMESPACE alone")
	f.StringVar(&o.watchSelector, "watch-label-selector", o.watchSelector, "label selector of the objects to look after")
	f.StringVar(&o.configSelector, "watch-configs-label-selector", o.configSelector, "label selector of the Secrets and ConfigMaps whose changes wake what refers to them; empty selects all")
	f.BoolVar(&o.noCrossNamespace, "no-cross-namespace-refs", o.noCrossNamespace, "refuse references to sources in other namespaces")
	f.BoolVar(&o.noRemoteBases, "no-remote-bases", o.noRemoteBases, "refuse kustomizations that load from the network")
	f.BoolVar(&o.compatArgs, "compat-args", o.compatArgs, "heed the arguments of the Deployments of Flux controllers in the namespace of RUNTIME_NAMESPACE, each for its kinds")
}

func (o *options) registerWork(f *pflag.FlagSet) {
	f.IntVar(&o.concurrent, "concurrent", o.concurrent, "objects of a kind that are reconciled at once")
	f.IntVar(&o.concurrentSSA, "concurrent-ssa", o.concurrentSSA, "server-side apply requests of one Kustomization at once")
	f.DurationVar(&o.requeueDependency, "requeue-dependency", o.requeueDependency, "how long to wait for a dependency before looking again without having been woken")
	f.DurationVar(&o.minRetry, "min-retry-delay", o.minRetry, "delay after the first failure")
	f.DurationVar(&o.maxRetry, "max-retry-delay", o.maxRetry, "longest delay after many failures")
	f.IntVar(&o.jitterPercent, "interval-jitter-percentage", o.jitterPercent, "how much intervals vary, 0 to 99 percent")
	f.DurationVar(&o.fullResync, "full-resync", o.fullResync, "how often everything applied is compared with the API server, whatever is remembered")
	f.StringSliceVar(&o.overrideManagers, "override-manager", o.overrideManagers, "prefix of field managers whose fields are taken over (repeatable)")
	f.StringVar(&o.pruneBudget, "prune-budget", o.pruneBudget, "how many objects of a Kustomization one revision may delete without approval: a count, or a share such as 20%; empty means any number")
	f.StringVar(&o.ageSecret, "sops-age-secret", o.ageSecret, "Secret in the namespace of RUNTIME_NAMESPACE with the age keys of Kustomizations that name no Secret for decryption")
	f.StringVar(&o.vaultConfigMap, "sops-vault-configmap", o.vaultConfigMap, "ConfigMap in the namespace of RUNTIME_NAMESPACE with the Vault servers that may be logged in to with tokens of ServiceAccounts")
	f.StringVar(&o.decryptionAccount, "default-decryption-service-account", o.decryptionAccount, "ServiceAccount in the namespace of a Kustomization by whose identity key services are asked if it names none; needs the feature gate ObjectLevelWorkloadIdentity")
	f.StringVar(&o.stageKinds, "custom-apply-stage-kinds", o.stageKinds, "comma-separated group/Kind list applied before everything but cluster definitions")
}

func (o *options) registerArtifacts(f *pflag.FlagSet) {
	f.StringVar(&o.storageAddr, "storage-adv-addr", envOr("STORAGE_ADV_ADDR", o.storageAddr), "host that status.artifact.url names")
	f.StringVar(&o.artifactAddr, "artifact-addr", o.artifactAddr, "address that artifacts are served on for others to fetch, such as :9090; empty serves none")
	f.Var(&o.artifactBudget, "artifact-budget", "memory for the bytes of artifacts, such as 32Mi")
	f.Var(&o.buildBudget, "build-budget", "memory for the compressed output of the last build of each Kustomization")
	f.StringVar(&o.cacheDir, "cache-dir", o.cacheDir, "directory for the last known good artifacts; empty keeps them in memory only")
	f.Var(&o.cacheSize, "cache-max-size", "most bytes in --cache-dir")
	f.Var(&o.sourceMax, "source-max-size", "most bytes that one source may fetch and unpack")
	f.Var(&o.indexMax, "helm-index-max-size", "most bytes of the index of a Helm repository; what is read of it, and not its size, takes memory")
	f.Var(&o.chartMax, "helm-chart-max-size", "most bytes of the archive of a chart")
	f.Var(&o.chartFileMax, "helm-chart-file-max-size", "most bytes of one file of a chart")
	f.StringSliceVar(&o.kexAlgos, "ssh-kex-algos", o.kexAlgos, "SSH key exchange algorithms, in order of preference; empty means the defaults")
	f.StringSliceVar(&o.hostKeyAlgos, "ssh-hostkey-algos", o.hostKeyAlgos, "SSH host key algorithms, in order of preference; empty means what known_hosts has")
	f.IntVar(&o.httpRetry, "http-retry", o.httpRetry, "how often fetching an ExternalArtifact is repeated before its failure counts")
	f.IntVar(&o.tokenCacheSize, "token-cache-max-size", o.tokenCacheSize, "how many credentials of clouds are kept; 0 keeps none")
	f.DurationVar(&o.tokenCacheTime, "token-cache-max-duration", o.tokenCacheTime, "how long credentials of clouds are kept at most, up to an hour")
}

func (o *options) registerElection(f *pflag.FlagSet) {
	f.BoolVar(&o.election, "enable-leader-election", o.election, "act only while holding the Lease of fluxd")
	f.BoolVar(&o.compatLeases, "compat-leases", o.compatLeases, "with --enable-leader-election, hold the Leases of the Flux controllers as well, so that they and fluxd never act at once")
	f.BoolVar(&o.electionRelease, "leader-election-release-on-cancel", o.electionRelease, "give the Lease back when told to stop")
	f.DurationVar(&o.leaseDuration, "leader-election-lease-duration", o.leaseDuration, "how long others wait for a holder that is silent")
	f.DurationVar(&o.electionRenewDeadline, "leader-election-renew-deadline", o.electionRenewDeadline, "how long the holder tries to renew before it gives up")
	f.DurationVar(&o.electionRetry, "leader-election-retry-period", o.electionRetry, "time between two tries")
}

// validate refuses what cannot work, by the name of the flag.
func (o *options) validate() error {
	var bad []error
	refuse := func(flag, format string, args ...any) {
		bad = append(bad, fmt.Errorf("--%s: %w", flag, fmt.Errorf(format, args...)))
	}
	if o.jitterPercent < 0 || o.jitterPercent > 99 {
		refuse("interval-jitter-percentage", "%d is not between 0 and 99", o.jitterPercent)
	}
	if o.concurrent < 1 {
		refuse("concurrent", "%d is not positive", o.concurrent)
	}
	if o.concurrentSSA < 1 {
		refuse("concurrent-ssa", "%d is not positive", o.concurrentSSA)
	}
	if o.minRetry <= 0 || o.maxRetry < o.minRetry {
		refuse("min-retry-delay", "%s is not positive and at most --max-retry-delay (%s)", o.minRetry, o.maxRetry)
	}
	if o.httpRetry < 0 {
		refuse("http-retry", "%d is negative", o.httpRetry)
	}
	if o.tokenCacheSize < 0 {
		refuse("token-cache-max-size", "%d is negative", o.tokenCacheSize)
	}
	if o.tokenCacheTime <= 0 {
		refuse("token-cache-max-duration", "%s is not positive", o.tokenCacheTime)
	}
	if _, err := apply.ParseBudget(o.pruneBudget); err != nil {
		refuse("prune-budget", "%w", err)
	}
	for flag, selector := range map[string]string{
		"watch-label-selector": o.watchSelector, "watch-configs-label-selector": o.configSelector,
	} {
		if _, err := labels.Parse(selector); err != nil {
			refuse(flag, "%w", err)
		}
	}
	if !o.allNamespaces && o.namespace == "" {
		refuse("watch-all-namespaces", "false needs the environment variable RUNTIME_NAMESPACE")
	}
	if o.election && o.namespace == "" {
		refuse("enable-leader-election", "needs the environment variable RUNTIME_NAMESPACE")
	}
	if o.decryptionAccount != "" && !o.gates["ObjectLevelWorkloadIdentity"] {
		refuse("default-decryption-service-account", "needs --feature-gates=ObjectLevelWorkloadIdentity=true")
	}
	for flag, name := range map[string]string{"sops-age-secret": o.ageSecret, "sops-vault-configmap": o.vaultConfigMap} {
		if name != "" && o.namespace == "" {
			refuse(flag, "needs the environment variable RUNTIME_NAMESPACE")
		}
	}
	if _, err := zapLevel(o.logLevel); err != nil {
		refuse("log-level", "%w", err)
	}
	if o.logEncoding != "json" && o.logEncoding != "console" {
		refuse("log-encoding", "%q is neither json nor console", o.logEncoding)
	}
	bad = append(bad, o.tenancy.validate(o.gates["ObjectLevelWorkloadIdentity"]), o.releases.validate(), o.memory.validate(o.gates.on("OOMWatch")), o.ignored.validate())
	return errors.Join(bad...)
}

// scopeNamespace returns the one namespace to look after, empty for all.
func (o *options) scopeNamespace() string {
	if o.allNamespaces {
		return ""
	}
	return o.namespace
}

// budget returns what --prune-budget says, which is valid.
func (o *options) budget() apply.Budget {
	b, _ := apply.ParseBudget(o.pruneBudget)
	return b
}

// stages returns the kinds of --custom-apply-stage-kinds.
func (o *options) stages() []schema.GroupKind {
	var kinds []schema.GroupKind
	for item := range strings.SplitSeq(o.stageKinds, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		group, kind, ok := strings.Cut(item, "/")
		if !ok {
			group, kind = "", group
		}
		kinds = append(kinds, schema.GroupKind{Group: group, Kind: kind})
	}
	return kinds
}

func envOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
