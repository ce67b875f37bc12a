// Package all is the one list of plugins: it gives each the few things that it
// needs.
package all

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/reconcilers/bucket"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
	"github.com/fluxd/fluxd/pkg/reconcilers/gitrepository"
	"github.com/fluxd/fluxd/pkg/reconcilers/helmchart"
	"github.com/fluxd/fluxd/pkg/reconcilers/helmrepository"
	"github.com/fluxd/fluxd/pkg/reconcilers/kustomization"
	"github.com/fluxd/fluxd/pkg/reconcilers/ocirepository"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/decrypt"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
	"github.com/fluxd/fluxd/pkg/sources/external"
	"github.com/fluxd/fluxd/pkg/sources/helm"
	"github.com/fluxd/fluxd/pkg/sources/signature"
)

// Deps are what plugins are made of. They end here and are never handed on.
type Deps struct {
	Sources attempt.Config
	Cache   Objects
	Builder *kustomize.Builder
	Builds  *render.Cache
	Configs kustomization.Configs
	Tokens  kustomization.Accounts
	// Clusters say who applies the objects of a Kustomization, and HelmClusters those of
	// a release.
	Clusters, HelmClusters *clusters.Clusters
	Releaser               *release.Releaser
	// Declarer writes what HelmReleases stand for by themselves.
	Declarer apply.Declarer
	Bus      *events.Bus
	// Accounts knows the ServiceAccounts of the cluster.
	Accounts ocirepository.Accounts
	// Public knows what is trusted of the public Sigstore instance.
	Public *signature.Public
	// Externals fetches ExternalArtifacts; nil refuses them.
	Externals *external.Fetcher

	// How much work of sources, Kustomizations and HelmReleases is done at once.
	Sourcing, Kustomizing, Releasing Pace

	Git         Git
	Bucket      Bucket
	Helm        Helm
	Kustomize   Kustomize
	HelmRelease HelmRelease
}

// Pace says how many objects of a kind are reconciled at once, and after how long one
// that waits for a dependency looks again although nobody woke it.
type Pace struct {
	Workers           int
	RequeueDependency time.Duration
}

// Objects are the objects of our kinds; [kube.Cache] has them.
type Objects interface {
	Get(kind schema.GroupKind, namespace, name string) (api.Object, bool)
	SourceOf(kind schema.GroupKind, namespace, name string) (api.Source, bool)
	Each(kind schema.GroupKind, f func(metav1.Object))
}

// Git are the settings of GitRepository.
type Git struct {
	KeyExchanges, HostKeyAlgorithms []string
}

// Bucket are the settings of Bucket.
type Bucket struct {
	// GoogleEndpoint is where the API of Google Cloud Storage is; the real one if
	// empty.
	GoogleEndpoint string
}

// Kustomize are the settings of Kustomization.
type Kustomize struct {
	NoCrossNamespaceRefs, SlowFail, AdditiveReadyExpr, StrictSubstitution bool
	FullResync                                                            time.Duration
	PruneBudget                                                           apply.Budget
	// Namespace is where the process runs.
	Namespace string
	// AgeSecret names the Secret in Namespace with the age keys for everybody.
	AgeSecret string
	// VaultConfigMap names the ConfigMap in Namespace with the Vault servers to log in to.
	VaultConfigMap string
	// DecryptionAccount is the ServiceAccount of those that name none for decryption.
	ObjectLevelIdentity bool
	DecryptionAccount   string
}

// Plugins returns the plugins. Their order is for readers.
func Plugins(d Deps) []reconcilers.Plugin {
	objects := charts{d.Cache}
	indexes := helm.NewIndexes(objects.wants)
	return []reconcilers.Plugin{
		gitrepository.Plugin(d.Sources, d.gitRepository, gitrepository.Options{
			Workers: d.Sourcing.Workers, RequeueDependency: d.Sourcing.RequeueDependency,
			KeyExchanges: d.Git.KeyExchanges, HostKeyAlgorithms: d.Git.HostKeyAlgorithms,
		}),
		bucket.Plugin(d.Sources, bucket.Options{Workers: d.Sourcing.Workers, GoogleEndpoint: d.Bucket.GoogleEndpoint}),
		ocirepository.Plugin(d.Sources, d.Accounts, ocirepository.Options{Workers: d.Sourcing.Workers, Root: d.Public.Root}),
		helmrepository.Plugin(d.Sources, indexes, helmrepository.Options{Workers: d.Sourcing.Workers, IndexBytes: d.Helm.IndexBytes}),
		helmchart.Plugin(d.Sources, objects, indexes, helmchart.Options{
			Workers: d.Sourcing.Workers, RequeueDependency: d.Sourcing.RequeueDependency, IndexBytes: d.Helm.IndexBytes,
			Limits: helm.Limits{Archive: d.Helm.ChartBytes, File: d.Helm.FileBytes},
			Root:   d.Public.Root,
		}),
		kustomization.Plugin(d.Sources.Store, d.Builder, d.Builds, d.Clusters, d.Cache, d.Configs, d.Bus, kustomization.Options{
			Workers: d.Kustomizing.Workers, RequeueDependency: d.Kustomizing.RequeueDependency, Externals: d.externals(),
			Headroom:             d.Sources.Headroom,
			NoCrossNamespaceRefs: d.Kustomize.NoCrossNamespaceRefs,
			FullResync:           d.Kustomize.FullResync, SlowFail: d.Kustomize.SlowFail,
			PruneBudget: d.Kustomize.PruneBudget, Namespace: d.Kustomize.Namespace,
			AdditiveReadyExpr:   d.Kustomize.AdditiveReadyExpr,
			StrictSubstitution:  d.Kustomize.StrictSubstitution,
			AgeSecret:           kustomization.SecretName{Namespace: d.Kustomize.Namespace, Name: d.Kustomize.AgeSecret},
			KeyServices:         d.keyServices(),
			ObjectLevelIdentity: d.Kustomize.ObjectLevelIdentity, DecryptionAccount: d.Kustomize.DecryptionAccount,
			VaultConfigMap: kustomization.ConfigMapName{Namespace: d.Kustomize.Namespace, Name: d.Kustomize.VaultConfigMap},
			Accounts:       d.Tokens,
		}),
		d.helmRelease(),
	}
}

// keyServices returns what asks key services for data keys.
func (d Deps) keyServices() *decrypt.Services {
	return decrypt.NewServices(decrypt.ServicesConfig{Clouds: d.Sources.Clouds})
}

func (d Deps) gitRepository(namespace, name string) (*sourcev1.GitRepository, bool) {
	obj, ok := d.Cache.Get(api.GitRepositoryGVK.GroupKind(), namespace, name)
	if !ok {
		return nil, false
	}
	repository, ok := obj.(*sourcev1.GitRepository)
	return repository, ok
}

// externals returns nothing rather than a nil fetcher.
func (d Deps) externals() consumer.Externals {
	if d.Externals == nil {
		return nil
	}
	return d.Externals
}
