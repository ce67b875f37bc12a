package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
)

// quantity is a number of bytes, written as in a Pod's resources: 32Mi.
type quantity int64

func (q *quantity) String() string {
	return resource.NewQuantity(int64(*q), resource.BinarySI).String()
}

// Type implements [pflag.Value].
func (q *quantity) Type() string { return "quantity" }

// Set implements [pflag.Value].
func (q *quantity) Set(s string) error {
	parsed, err := resource.ParseQuantity(s)
	if err != nil {
		return err
	}
	if parsed.Value() <= 0 {
		return fmt.Errorf("%s is not positive", s)
	}
	*q = quantity(parsed.Value())
	return nil
}

// gates are the feature gates that were set.
type gates map[string]bool

// knownGates are the gates of the stock controllers, and what counts if nothing was asked.
// Those for behaviour that fluxd always has, or that its design makes moot, are accepted
// and make no difference.
var knownGates = map[string]bool{
	"AdditiveCELDependencyCheck":     false,
	"AdoptLegacyReleases":            false,
	"AllowDNSLookups":                false,
	"CacheSecretsAndConfigMaps":      false,
	"CancelHealthCheckOnNewRevision": true,
	"CorrectDrift":                   false,
	"DefaultToRetryOnFailure":        false,
	"DetectDrift":                    false,
	"DirectSourceFetch":              false,
	"DisableChartDigestTracking":     false,
	"DisableConfigWatchers":          false,
	"DisableFailFastBehavior":        false,
	"DisableStatusPollerCache":       false,
	"ExternalArtifact":               false,
	"GroupChangeLog":                 false,
	"MigrateAPIVersion":              false,
	"OOMWatch":                       false,
	"ObjectLevelWorkloadIdentity":    false,
	"OptimizedGitClones":             false,
	"StrictPostBuildSubstitutions":   true,
	"UseHelm3Defaults":               false,
}

// on says whether a gate is on.
func (g gates) on(name string) bool {
	if on, asked := g[name]; asked {
		return on
	}
	return knownGates[name]
}

func (g *gates) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(*g)) {
		parts = append(parts, name+"="+strconv.FormatBool((*g)[name]))
	}
	return strings.Join(parts, ",")
}

// Type implements [pflag.Value].
func (g *gates) Type() string { return "gates" }

// Set implements [pflag.Value].
func (g *gates) Set(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(item), "=")
		on, err := strconv.ParseBool(value)
		if !ok || err != nil {
			return fmt.Errorf("%q is not Name=true or Name=false", item)
		}
		if _, exists := knownGates[name]; !exists {
			return fmt.Errorf("feature-gate '%s' not supported", name)
		}
		(*g)[name] = on
	}
	return nil
}

// ignored are flags of the stock controllers that change nothing here. They are
// accepted so that existing Deployments and patches start.
type ignored struct {
	storagePath, storageListen, retentionTTL string
	retentionRecords, helmCache              int
	helmCacheTTL, helmCachePurge             string
	digestAlgorithm                          string
	httpTimeout                              time.Duration
}

func (i *ignored) register(f *pflag.FlagSet) {
	f.StringVar(&i.storagePath, "storage-path", "", "accepted and unused: artifacts are kept in memory")
	f.StringVar(&i.storageListen, "storage-addr", "", "accepted and unused: artifacts are served where --artifact-addr says")
	f.StringVar(&i.retentionTTL, "artifact-retention-ttl", "60s", "accepted and unused: one artifact per source is kept")
	f.IntVar(&i.retentionRecords, "artifact-retention-records", 2, "accepted and unused: one artifact per source is kept")
	f.IntVar(&i.helmCache, "helm-cache-max-size", 0, "accepted and unused: what is wanted of an index is always kept, and nothing else")
	f.StringVar(&i.helmCacheTTL, "helm-cache-ttl", "15m", "accepted and unused, see --helm-cache-max-size")
	f.StringVar(&i.helmCachePurge, "helm-cache-purge-interval", "1m", "accepted and unused, see --helm-cache-max-size")
	f.DurationVar(&i.httpTimeout, "http-timeout", 30*time.Second, "accepted and unused: a server of ExternalArtifacts is given up on when it sends nothing, or next to nothing, for that long")
	f.StringVar(&i.digestAlgorithm, "artifact-digest-algo", "sha256", "digest of artifacts; sha256 is the only one")
}

// validate refuses flags that it would be wrong to ignore.
func (i *ignored) validate() error {
	if i.digestAlgorithm != "sha256" {
		return fmt.Errorf("--artifact-digest-algo: %q is not supported, only sha256 is", i.digestAlgorithm)
	}
	return nil
}

// writeFlags writes the flags of run as a Markdown table.
func writeFlags(w io.Writer) {
	o := defaults()
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	o.register(f)
	fmt.Fprintln(w, "| Flag | Default | Meaning |")
	fmt.Fprintln(w, "|---|---|---|")
	f.VisitAll(func(flag *pflag.Flag) {
		fmt.Fprintf(w, "| `--%s` | `%s` | %s |\n", flag.Name, flag.DefValue, flag.Usage)
	})
}
