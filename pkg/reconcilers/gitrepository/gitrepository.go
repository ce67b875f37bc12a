package gitrepository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// Sources returns the cached GitRepository of a name, and whether there is one.
type Sources func(namespace, name string) (*v1.GitRepository, bool)

// Options are the settings of the process that concern this kind.
type Options struct {
	// Workers is how many objects are reconciled at once.
	Workers int
	// RequeueDependency is how long to wait for an included artifact before
	// looking again without having been woken.
	RequeueDependency time.Duration
	// KeyExchanges and HostKeyAlgorithms override those of SSH.
	KeyExchanges, HostKeyAlgorithms []string
}

// Plugin returns the reconciler of GitRepository.
func Plugin(c attempt.Config, sources Sources, o Options) reconcilers.Plugin {
	r := &reconciler{config: c, sources: sources, options: o}
	return reconcilers.For(api.GitRepositoryGVK, r, reconcilers.Options{
		Workers: o.Workers, Controller: api.ComponentSource, Manager: api.ManagerSource,
		FailureReason: api.ReasonFailed,
	})
}

type reconciler struct {
	config  attempt.Config
	sources Sources
	options Options
}

// References implements [reconcilers.Reconciler].
func (r *reconciler) References(obj *v1.GitRepository) []reconcilers.Ref {
	refs := attempt.SecretRefs(obj.Namespace, obj.Spec.SecretRef, obj.Spec.ProxySecretRef)
	if v := obj.Spec.Verification; v != nil {
		refs = append(refs, attempt.SecretRefs(obj.Namespace, &v.SecretRef)...)
	}
	for _, include := range obj.Spec.Include {
		refs = append(refs, reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), obj.Namespace, include.GitRepositoryRef.Name))
	}
	return refs
}

// Reconcile implements [reconcilers.Reconciler].
func (r *reconciler) Reconcile(ctx context.Context, obj *v1.GitRepository) (reconcilers.Result, error) {
	a := &one{
		reconciler: r, obj: obj,
		Attempt: attempt.Begin(r.config, api.GitRepositoryKind, obj, &obj.Status.Artifact, api.ConditionIncludeUnavailable),
	}
	if obj.Spec.Suspend {
		return reconcilers.Result{}, a.refill(ctx)
	}
	return a.run(ctx)
}

// Finalize implements [reconcilers.Reconciler].
func (r *reconciler) Finalize(_ context.Context, obj *v1.GitRepository) error {
	r.config.Store.Forget(owner(obj))
	return nil
}

func owner(obj *v1.GitRepository) artifacts.Owner {
	return artifacts.Owner{Kind: api.GitRepositoryKind, Namespace: obj.Namespace, Name: obj.Name}
}

// one is one reconcile of one object.
type one struct {
	*reconciler
	*attempt.Attempt
	obj *v1.GitRepository
}

// run is the order of the steps.
func (a *one) run(ctx context.Context) (reconcilers.Result, error) {
	remote, err := a.remote(ctx)
	if err != nil {
		return reconcilers.Result{}, err
	}
	defer remote.Memory.Leave()
	ctx, cancel := context.WithTimeout(ctx, a.obj.GetTimeout())
	defer cancel()
	session, err := remote.Connect(ctx)
	if err != nil {
		return reconcilers.Result{}, a.fetchFailed(ctx, err)
	}
	defer session.Close()
	head, err := session.Resolve(a.ref())
	if err != nil {
		return reconcilers.Result{}, a.fetchFailed(ctx, err)
	}
	included, err := a.includes()
	if err != nil {
		return reconcilers.Result{}, err
	}
	defer included.release()
	if a.upToDate(head, included) {
		return a.unchanged(), nil
	}
	a.outdated(head, included)
	a.Fetching(ctx, head.Revision())
	snapshot, err := a.fetch(ctx, session, head, included)
	if err != nil {
		return reconcilers.Result{}, err
	}
	return a.publish(snapshot, included)
}

// ref returns what spec asks for.
func (a *one) ref() git.Ref {
	if a.obj.Spec.Reference == nil {
		return git.Ref{}
	}
	ref := a.obj.Spec.Reference
	return git.Ref{Branch: ref.Branch, Tag: ref.Tag, SemVer: ref.SemVer, Name: ref.Name, Commit: ref.Commit}
}

// refill loads the recorded revision of a suspended object into memory and
// touches no status. If the remote has moved on, the recorded commit is fetched
// by its id.
func (a *one) refill(ctx context.Context) error {
	recorded := a.obj.Status.Artifact
	if recorded == nil || a.Stored() {
		return nil
	}
	remote, err := a.remote(ctx)
	if err != nil {
		return err
	}
	defer remote.Memory.Leave()
	ctx, cancel := context.WithTimeout(ctx, a.obj.GetTimeout())
	defer cancel()
	session, err := remote.Connect(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	head, err := session.Recorded(recorded.Revision, a.ref())
	if err != nil {
		return err
	}
	included, err := a.includes()
	if err != nil {
		return err
	}
	defer included.release()
	snapshot, err := a.checkout(ctx, session, head, included)
	if err != nil {
		return err
	}
	if snapshot.Tree.Digest() != recorded.Digest {
		return fmt.Errorf("the revision %s now has the digest %s: %w", recorded.Revision, snapshot.Tree.Digest(), errMoved)
	}
	_, err = a.Store.Put(a.Owner, recorded.Revision, snapshot.Tree, nil)
	return err
}

// errMoved says that a recorded revision cannot be had any more.
var errMoved = errors.New("the recorded artifact cannot be restored")
