package main

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// latest says by which name, besides that in status.artifact.path, the artifacts of a
// kind are offered; status.url has it. The indexes of HelmRepositories are not kept
// as artifacts and not offered.
var latest = map[string]string{
	api.GitRepositoryKind: "",
	api.OCIRepositoryKind: "latest.tar.gz",
	api.HelmChartKind:     "latest.tar.gz",
	api.BucketKind:        "latest.tar.gz",
}

// coldDelay is how soon an artifact is fetched again that somebody asked for. Asking
// often makes it no sooner.
const coldDelay = 10 * time.Second

// lookup returns the cached object of a kind that publishes artifacts.
type lookup func(kind schema.GroupKind, namespace, name string) (api.Source, bool)

// newest returns the newest artifact of an owner in the store, and whether there is
// one.
type newest func(artifacts.Owner) (artifacts.Artifact, bool)

// offers returns what finds artifacts by their paths: the newest of their owner,
// which may be a moment ahead of what we know of its status, or else what the status
// tells. So a digest and what is served under its path never differ.
func offers(stored newest, find lookup) artifacts.Offers {
	kinds := make(map[string]string, len(latest))
	for kind := range latest {
		kinds[strings.ToLower(kind)] = kind
	}
	return func(path string) (artifacts.Artifact, bool) {
		parts := strings.Split(path, "/")
		if len(parts) != 4 || kinds[parts[0]] == "" {
			return artifacts.Artifact{}, false
		}
		kind, namespace, name, file := kinds[parts[0]], parts[1], parts[2], parts[3]
		owner := artifacts.Owner{Kind: kind, Namespace: namespace, Name: name}
		if a, ok := stored(owner); ok && file != "" && (file == a.File || file == latest[kind]) {
			return a, true
		}
		source, ok := find(api.SourceV1.WithKind(kind).GroupKind(), namespace, name)
		if !ok {
			return artifacts.Artifact{}, false
		}
		artifact := source.GetArtifact()
		if artifact == nil || file == "" || artifact.Path != path && file != latest[kind] {
			return artifacts.Artifact{}, false
		}
		return artifacts.Artifact{Owner: owner, Digest: artifact.Digest, Updated: artifact.LastUpdateTime.Time}, true
	}
}

// offer serves artifacts, if an address is given. What the store let go of is
// fetched again.
func (d *daemon) offer() error {
	cold := func(owner artifacts.Owner) {
		kind := api.SourceV1.WithKind(owner.Kind).GroupKind()
		d.engine.WakeAfter(reconcilers.NewRef(kind, owner.Namespace, owner.Name), coldDelay)
	}
	handler := artifacts.NewHandler(d.parts.store, offers(d.parts.store.Newest, d.cache.SourceOf), cold)
	return d.server.listen("--artifact-addr", d.options.artifactAddr, handler)
}
