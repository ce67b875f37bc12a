package gitrepository

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// Secrets reads Secrets of any namespace. The error of a missing one satisfies
// IsNotFound of the API errors package.
type Secrets interface {
	Secret(ctx context.Context, namespace, name string) (data map[string][]byte, kind string, err error)
}

// Sources returns the cached GitRepository of a name, and whether there is one.
type Sources func(namespace, name string) (*v1.GitRepository, bool)

// Options are the settings of the process that concern this kind.
type Options struct {
	// Workers is how many objects are reconciled at once.
	Workers int
	// BaseURL is the beginning of status.artifact.url, with its slash.
	BaseURL string
	// Limits bound one repository.
	Limits artifacts.Limits
	// Headroom is the memory that fetches share; nil is without bounds.
	Headroom *artifacts.Headroom
	// RequeueDependency is how long to wait for an included artifact before
	// looking again without having been woken.
	RequeueDependency time.Duration
	// KeyExchanges and HostKeyAlgorithms override those of SSH.
	KeyExchanges, HostKeyAlgorithms []string
}

// Plugin returns the reconciler of GitRepository.
func Plugin(store *artifacts.Store, secrets Secrets, sources Sources, o Options) reconcilers.Plugin {
	r := &reconciler{store: store, secrets: secrets, sources: sources, options: o, apps: git.NewApps()}
	return reconcilers.For(api.GitRepositoryGVK, r, reconcilers.Options{
		Workers: o.Workers, Controller: api.ComponentSource, Manager: api.ManagerSource,
		FailureReason: api.ReasonFailed,
	})
}

type reconciler struct {
	store   *artifacts.Store
	secrets Secrets
	sources Sources
	options Options
	apps    *git.Apps
}

// References implements [reconcilers.Reconciler].
func (r *reconciler) References(obj *v1.GitRepository) []reconcilers.Ref {
	var refs []reconcilers.Ref
	secret := func(ref *api.LocalObjectReference) {
		if ref != nil && ref.Name != "" {
			refs = append(refs, reconcilers.Ref{Namespace: obj.Namespace, Name: ref.Name})
			refs[len(refs)-1].Kind = "Secret"
		}
	}
	secret(obj.Spec.SecretRef)
	secret(obj.Spec.ProxySecretRef)
	if v := obj.Spec.Verification; v != nil {
		secret(&v.SecretRef)
	}
	for _, include := range obj.Spec.Include {
		refs = append(refs, reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), obj.Namespace, include.GitRepositoryRef.Name))
	}
	return refs
}

// Reconcile implements [reconcilers.Reconciler].
func (r *reconciler) Reconcile(ctx context.Context, obj *v1.GitRepository) (reconcilers.Result, error) {
	a := &attempt{reconciler: r, obj: obj, list: obj.Status.Conditions, now: time.Now()}
	if obj.Spec.Suspend {
		return reconcilers.Result{}, a.refill(ctx)
	}
	if conditions.IsFalse(a.list, api.ConditionSourceVerified) {
		a.drop(api.ConditionSourceVerified)
	}
	result, err := a.run(ctx)
	obj.Status.Conditions = a.list
	return result, err
}

// Finalize implements [reconcilers.Reconciler].
func (r *reconciler) Finalize(_ context.Context, obj *v1.GitRepository) error {
	r.store.Forget(owner(obj))
	return nil
}

func owner(obj *v1.GitRepository) artifacts.Owner {
	return artifacts.Owner{Kind: api.GitRepositoryKind, Namespace: obj.Namespace, Name: obj.Name}
}

// attempt is one reconcile of one object.
type attempt struct {
	*reconciler
	obj  *v1.GitRepository
	list []metav1.Condition
	now  time.Time
}

// run is the order of the steps.
func (a *attempt) run(ctx context.Context) (reconcilers.Result, error) {
	failedBefore := a.failed()
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
		return a.unchanged(failedBefore), nil
	}
	snapshot, err := a.fetch(ctx, session, head, included)
	if err != nil {
		return reconcilers.Result{}, err
	}
	return a.publish(snapshot, included, failedBefore)
}

// ref returns what spec asks for.
func (a *attempt) ref() git.Ref {
	if a.obj.Spec.Reference == nil {
		return git.Ref{}
	}
	ref := a.obj.Spec.Reference
	return git.Ref{Branch: ref.Branch, Tag: ref.Tag, SemVer: ref.SemVer, Name: ref.Name, Commit: ref.Commit}
}

// refill loads the recorded revision of a suspended object into memory and
// touches no status. If the remote has moved on, the recorded commit is fetched
// by its id.
func (a *attempt) refill(ctx context.Context) error {
	recorded := a.obj.Status.Artifact
	if recorded == nil || a.stored() {
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
	_, err = a.store.Put(owner(a.obj), recorded.Revision, snapshot.Tree, nil)
	return err
}

// errMoved says that a recorded revision cannot be had any more.
var errMoved = errors.New("the recorded artifact cannot be restored")
