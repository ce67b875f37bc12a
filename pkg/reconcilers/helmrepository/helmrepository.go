package helmrepository

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/helm"
	"github.com/fluxd/fluxd/pkg/transport"
)

// Options are the settings of the process that concern this kind.
type Options struct {
	// Workers is how many objects are reconciled at once.
	Workers int
	// IndexBytes is how long an index may be; zero is the default.
	IndexBytes int64
}

// Plugin returns the reconciler of HelmRepository. Indexes is what it shares with
// HelmChart.
func Plugin(c attempt.Config, indexes *helm.Indexes, o Options) reconcilers.Plugin {
	r := &reconciler{config: c, indexes: indexes, options: o}
	return reconcilers.For(api.HelmRepositoryGVK, r, reconcilers.Options{
		Workers: o.Workers, Controller: api.ComponentSource, Manager: api.ManagerSource,
		FailureReason: api.ReasonFailed,
	})
}

type reconciler struct {
	config  attempt.Config
	indexes *helm.Indexes
	options Options
}

// References implements [reconcilers.Reconciler].
func (r *reconciler) References(obj *v1.HelmRepository) []reconcilers.Ref {
	if obj.IsOCI() {
		return nil
	}
	return attempt.SecretRefs(obj.Namespace, obj.Spec.SecretRef, obj.Spec.CertSecretRef)
}

// Reconcile implements [reconcilers.Reconciler].
func (r *reconciler) Reconcile(ctx context.Context, obj *v1.HelmRepository) (reconcilers.Result, error) {
	if obj.IsOCI() {
		r.indexes.Forget(source(obj))
		obj.Status = v1.HelmRepositoryStatus{}
		return reconcilers.Result{Static: true}, nil
	}
	a := &one{
		reconciler: r, obj: obj,
		Attempt: attempt.Begin(r.config, api.HelmRepositoryKind, obj, &obj.Status.Artifact),
	}
	if obj.Spec.Suspend {
		return reconcilers.Result{}, a.refill(ctx)
	}
	return a.run(ctx)
}

// Finalize implements [reconcilers.Reconciler].
func (r *reconciler) Finalize(_ context.Context, obj *v1.HelmRepository) error {
	r.indexes.Forget(source(obj))
	return nil
}

func source(obj *v1.HelmRepository) helm.Source {
	return helm.Source{Namespace: obj.Namespace, Name: obj.Name}
}

// one is one reconcile of one object.
type one struct {
	*reconciler
	*attempt.Attempt
	obj *v1.HelmRepository
}

// run is the order of the steps.
func (a *one) run(ctx context.Context) (reconcilers.Result, error) {
	repository, done, err := a.repository(ctx)
	if err != nil {
		return reconcilers.Result{}, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, a.obj.GetTimeout())
	defer cancel()
	index, err := a.indexes.Refresh(ctx, source(a.obj), repository)
	if err != nil {
		return reconcilers.Result{}, a.fetchFailed(ctx, err)
	}
	a.obj.Status.URL = a.URL("index.yaml")
	if recorded := a.obj.Status.Artifact; recorded != nil && recorded.Revision == index.Digest {
		return a.Unchanged("", stored(index.Digest), api.ReasonArtifactUpToDate,
			fmt.Sprintf("artifact up-to-date with remote revision: '%s'", index.Digest)), nil
	}
	return a.announce(index), nil
}

// refill makes sure that the index of a suspended repository is the recorded one.
func (a *one) refill(ctx context.Context) error {
	recorded := a.obj.Status.Artifact
	if recorded == nil {
		return nil
	}
	repository, done, err := a.repository(ctx)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, a.obj.GetTimeout())
	defer cancel()
	return a.indexes.Recorded(ctx, source(a.obj), repository, recorded.Revision)
}

// repository returns how to reach the server. Done frees its connections and memory.
func (a *one) repository(ctx context.Context) (r *helm.Repository, done func(), err error) {
	spec := a.obj.Spec
	u, err := url.Parse(spec.URL)
	if err != nil {
		return nil, nil, a.Stalled(api.ReasonURLInvalid, errors.New("spec.url: invalid Helm repository URL: it does not parse"))
	}
	if u.Scheme == "oci" {
		return nil, nil, a.Stalled(api.ReasonURLInvalid, fmt.Errorf("spec.url: invalid Helm repository URL: 'oci' URLs are only allowed with spec.type: %s", v1.HelmRepositoryOCI))
	}
	login, err := a.Login(ctx, "", spec)
	if err != nil {
		return nil, nil, err
	}
	t, share := a.Transport(transport.Options{TLS: login.TLS}), a.Headroom.Share()
	r, err = helm.NewRepository(helm.Access{
		URL: spec.URL, Username: login.Username, Password: login.Password, PassCredentials: spec.PassCredentials,
		IndexBytes: a.options.IndexBytes, Memory: share,
	}, t)
	done = func() { t.Close(); share.Leave() }
	if err == nil {
		return r, done, nil
	}
	done()
	if errors.Is(err, helm.ErrScheme) {
		return nil, nil, a.Stalled(api.ReasonFailed, fmt.Errorf("spec.url: %w", err))
	}
	return nil, nil, a.Stalled(api.ReasonURLInvalid, fmt.Errorf("spec.url: invalid Helm repository URL: %w", err))
}

// fetchFailed classifies an error of the server or about its index.
func (a *one) fetchFailed(ctx context.Context, err error) error {
	if errors.Is(err, helm.ErrIndex) {
		return a.Refused(ctx, api.ReasonIndexationFailed, fmt.Errorf("failed to load Helm repository from index: %w", err))
	}
	return a.Refused(ctx, api.ReasonFailed, fmt.Errorf("failed to fetch Helm repository index: %w", err))
}

func stored(revision string) string { return fmt.Sprintf("stored artifact: revision '%s'", revision) }

// announce records a new index.
func (a *one) announce(index helm.Summary) reconcilers.Result {
	return a.Announce(artifacts.Artifact{
		Owner: a.Owner, Revision: index.Digest, Digest: index.Digest, Size: index.Size, Updated: time.Now(),
	}, attempt.Publication{
		File: "index-" + index.Hex() + ".yaml", Message: stored(index.Digest),
		News: fmt.Sprintf("stored fetched index of size %s from '%s'", humanSize(index.Size), attempt.RedactURL(a.obj.Spec.URL)),
	})
}

// humanSize returns a number of bytes with four digits and a decimal unit, as Flux
// does.
func humanSize(bytes int64) string {
	size, units := float64(bytes), []string{"B", "kB", "MB", "GB"}
	i := 0
	for ; size >= 1000 && i < len(units)-1; i++ {
		size /= 1000
	}
	return fmt.Sprintf("%.4g%s", size, units[i])
}
