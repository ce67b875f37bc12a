package ocirepository

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/signature"
)

// Accounts knows the ServiceAccounts of the cluster.
type Accounts interface {
	// PullSecrets returns the names of the pull secrets of a ServiceAccount, and
	// whether there is one.
	PullSecrets(ctx context.Context, namespace, name string) (secrets []string, found bool, err error)
}

// Options are the settings of the process that concern this kind.
type Options struct {
	// Workers is how many objects are reconciled at once.
	Workers int
	// Root returns what is trusted of the public Sigstore instance. Nil means that
	// objects have to bring a trusted root of their own.
	Root func(context.Context) (*signature.Root, error)
}

// Plugin returns the reconciler of OCIRepository.
func Plugin(c attempt.Config, accounts Accounts, o Options) reconcilers.Plugin {
	r := &reconciler{config: c, accounts: accounts, options: o, tokens: oci.NewTokens()}
	return reconcilers.For(api.OCIRepositoryGVK, r, reconcilers.Options{
		Workers: o.Workers, Controller: api.ComponentSource, Manager: api.ManagerSource,
		FailureReason: api.ReasonFailed,
	})
}

type reconciler struct {
	config   attempt.Config
	accounts Accounts
	options  Options
	tokens   *oci.Tokens
}

// References implements [reconcilers.Reconciler].
func (r *reconciler) References(obj *v1.OCIRepository) []reconcilers.Ref {
	spec := obj.Spec
	refs := attempt.SecretRefs(obj.Namespace, spec.SecretRef, spec.CertSecretRef, spec.ProxySecretRef)
	if v := spec.Verify; v != nil {
		refs = append(refs, attempt.SecretRefs(obj.Namespace, v.SecretRef, v.TrustedRootSecretRef)...)
	}
	return refs
}

// Reconcile implements [reconcilers.Reconciler].
func (r *reconciler) Reconcile(ctx context.Context, obj *v1.OCIRepository) (reconcilers.Result, error) {
	a := &one{
		reconciler: r, obj: obj,
		Attempt: attempt.Begin(r.config, api.OCIRepositoryKind, obj, &obj.Status.Artifact),
	}
	if obj.Spec.Suspend {
		return reconcilers.Result{}, a.refill(ctx)
	}
	return a.run(ctx)
}

// Finalize implements [reconcilers.Reconciler].
func (r *reconciler) Finalize(_ context.Context, obj *v1.OCIRepository) error {
	r.config.Store.Forget(artifacts.Owner{Kind: api.OCIRepositoryKind, Namespace: obj.Namespace, Name: obj.Name})
	return nil
}

// one is one reconcile of one object.
type one struct {
	*reconciler
	*attempt.Attempt
	obj *v1.OCIRepository
	// sought is the revision that spec stands for, once that is known.
	sought string
}

// run reads what spec asks for. If that cannot be had, the recorded artifact is still
// there for its consumers, or is fetched again for them.
func (a *one) run(ctx context.Context) (reconcilers.Result, error) {
	bounded, cancel := context.WithTimeout(ctx, a.obj.GetTimeout())
	defer cancel()
	remote, err := a.remote(bounded)
	if err != nil {
		return reconcilers.Result{}, err
	}
	defer remote.close()
	result, err := a.follow(bounded, remote)
	if err != nil && answered(err) {
		a.restore(ctx, remote)
	}
	return result, err
}

// follow is the order of the steps.
func (a *one) follow(ctx context.Context, remote *remote) (reconcilers.Result, error) {
	version, err := a.resolve(ctx, remote)
	if err != nil {
		return reconcilers.Result{}, err
	}
	a.sought = version.Revision()
	if err := a.verify(ctx, remote, version); err != nil {
		return reconcilers.Result{}, err
	}
	if a.upToDate(version) {
		return a.unchanged(), nil
	}
	a.outdated(version)
	a.Fetching(ctx, version.Revision())
	p, err := a.pull(ctx, remote, version)
	if err != nil {
		return reconcilers.Result{}, a.pullFailed(ctx, err)
	}
	return a.publish(version, p)
}

// ref returns what spec asks for.
func (a *one) ref() oci.Ref {
	ref := oci.Ref{Chart: a.obj.GetLayerMediaType() == oci.HelmLayer}
	if r := a.obj.Spec.Reference; r != nil {
		ref.Digest, ref.SemVer, ref.Filter, ref.Tag = r.Digest, r.SemVer, r.SemverFilter, r.Tag
	}
	return ref
}

// resolve finds the manifest that spec asks for.
func (a *one) resolve(ctx context.Context, remote *remote) (oci.Version, error) {
	ref := a.ref()
	tag, err := remote.Pick(ctx, ref)
	if err != nil {
		return oci.Version{}, a.Refused(ctx, api.ReasonReadOperationFailed, fmt.Errorf("determine the artifact tag for '%s': %w", a.obj.Spec.URL, err))
	}
	if tag == "" {
		return oci.Version{Digest: ref.Digest}, nil
	}
	sum, err := remote.Digest(ctx, tag)
	if err != nil {
		return oci.Version{}, a.Refused(ctx, api.ReasonOCIArtifactPullFailed, fmt.Errorf("determine the artifact digest: %w", err))
	}
	return oci.Version{Tag: tag, Digest: sum}, nil
}

// pullFailed classifies an error of reading the manifest or the layer.
func (a *one) pullFailed(ctx context.Context, err error) error {
	err = fmt.Errorf("pull artifact from '%s': %w", a.obj.Spec.URL, err)
	switch {
	case errors.Is(err, oci.ErrTooLarge):
		return a.StorageFailed(api.ReasonArchiveOperationFailed, err)
	case errors.Is(err, oci.ErrLayer), errors.Is(err, oci.ErrManifest),
		errors.Is(err, artifacts.ErrArchive), errors.Is(err, artifacts.ErrBadPath):
		return a.Refused(ctx, api.ReasonOCIArtifactLayerOperationFailed, err)
	}
	return a.Refused(ctx, api.ReasonOCIArtifactPullFailed, err)
}
