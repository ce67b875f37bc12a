// Package all is the one list of plugins: it gives each the few things that it
// needs.
package all

import (
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/gitrepository"
	"github.com/fluxd/fluxd/pkg/reconcilers/kustomization"
	"github.com/fluxd/fluxd/pkg/render"
)

// Deps are what plugins are made of. They end here and are never handed on.
type Deps struct {
	Store   *artifacts.Store
	Cache   *kube.Cache
	Reader  *kube.Reader
	Builder kustomization.Builder
	Builds  *render.Cache
	Applier *apply.Applier
	Bus     *events.Bus

	Workers           int
	RequeueDependency time.Duration
	Git               Git
	Kustomize         Kustomize
}

// Git are the settings of GitRepository.
type Git struct {
	// BaseURL is the beginning of status.artifact.url, with its slash.
	BaseURL                         string
	Limits                          artifacts.Limits
	Headroom                        *artifacts.Headroom
	KeyExchanges, HostKeyAlgorithms []string
}

// Kustomize are the settings of Kustomization.
type Kustomize struct {
	NoCrossNamespaceRefs, SlowFail bool
	FullResync                     time.Duration
}

// Plugins returns the plugins. Their order is for readers.
func Plugins(d Deps) []reconcilers.Plugin {
	return []reconcilers.Plugin{
		gitrepository.Plugin(d.Store, d.Reader, d.gitRepository, gitrepository.Options{
			Workers: d.Workers, BaseURL: d.Git.BaseURL, Limits: d.Git.Limits,
			Headroom:          d.Git.Headroom,
			RequeueDependency: d.RequeueDependency,
			KeyExchanges:      d.Git.KeyExchanges, HostKeyAlgorithms: d.Git.HostKeyAlgorithms,
		}),
		kustomization.Plugin(d.Store, d.Builder, d.Builds, d.Applier, d.Cache, d.Bus, kustomization.Options{
			Workers: d.Workers, RequeueDependency: d.RequeueDependency,
			NoCrossNamespaceRefs: d.Kustomize.NoCrossNamespaceRefs,
			FullResync:           d.Kustomize.FullResync, SlowFail: d.Kustomize.SlowFail,
		}),
	}
}

func (d Deps) gitRepository(namespace, name string) (*sourcev1.GitRepository, bool) {
	obj, ok := d.Cache.Get(api.GitRepositoryGVK.GroupKind(), namespace, name)
	if !ok {
		return nil, false
	}
	repository, ok := obj.(*sourcev1.GitRepository)
	return repository, ok
}
