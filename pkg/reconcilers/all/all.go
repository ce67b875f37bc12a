// Package all is the one list of plugins: it gives each the few things that it
// needs.
package all

import (
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/gitrepository"
)

// Deps are what plugins are made of. They end here and are never handed on.
type Deps struct {
	Store  *artifacts.Store
	Cache  *kube.Cache
	Reader *kube.Reader

	Workers           int
	RequeueDependency time.Duration
	Git               Git
}

// Git are the settings of GitRepository.
type Git struct {
	// BaseURL is the beginning of status.artifact.url, with its slash.
	BaseURL                         string
	Limits                          artifacts.Limits
	KeyExchanges, HostKeyAlgorithms []string
}

// Plugins returns the plugins. Their order is for readers.
func Plugins(d Deps) []reconcilers.Plugin {
	return []reconcilers.Plugin{
		gitrepository.Plugin(d.Store, d.Reader, d.gitRepository, gitrepository.Options{
			Workers: d.Workers, BaseURL: d.Git.BaseURL, Limits: d.Git.Limits,
			RequeueDependency: d.RequeueDependency,
			KeyExchanges:      d.Git.KeyExchanges, HostKeyAlgorithms: d.Git.HostKeyAlgorithms,
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
