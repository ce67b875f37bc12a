package bucket

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// Options are the settings of the process that concern this kind.
type Options struct {
	// Workers is how many objects are reconciled at once.
	Workers int
	// GoogleEndpoint is where the API of Google Cloud Storage is; the real one if
	// empty.
	GoogleEndpoint string
	// AzureDomains are how the names of hosts end that the identity of the process is
	// shown to; nil are those of Azure.
	AzureDomains []string
}

// Plugin returns the reconciler of Bucket.
func Plugin(c attempt.Config, o Options) reconcilers.Plugin {
	r := &reconciler{config: c, options: o}
	return reconcilers.For(api.BucketGVK, r, reconcilers.Options{
		Workers: o.Workers, Controller: api.ComponentSource, Manager: api.ManagerSource,
		FailureReason: api.ReasonFailed,
	})
}

type reconciler struct {
	config   attempt.Config
	options  Options
	memory   memory
	listings bucket.Listings
}

// References implements [reconcilers.Reconciler].
func (r *reconciler) References(obj *v1.Bucket) []reconcilers.Ref {
	spec := obj.Spec
	refs := attempt.SecretRefs(obj.Namespace, spec.SecretRef, spec.CertSecretRef, spec.ProxySecretRef)
	if spec.STS != nil {
		refs = append(refs, attempt.SecretRefs(obj.Namespace, spec.STS.SecretRef, spec.STS.CertSecretRef)...)
	}
	return refs
}

// Reconcile implements [reconcilers.Reconciler].
func (r *reconciler) Reconcile(ctx context.Context, obj *v1.Bucket) (reconcilers.Result, error) {
	a := &one{reconciler: r, obj: obj, Attempt: attempt.Begin(r.config, api.BucketKind, obj, &obj.Status.Artifact)}
	if obj.Spec.Suspend {
		return reconcilers.Result{}, a.refill(ctx)
	}
	return a.run(ctx)
}

// Finalize implements [reconcilers.Reconciler].
func (r *reconciler) Finalize(_ context.Context, obj *v1.Bucket) error {
	owner := artifacts.Owner{Kind: api.BucketKind, Namespace: obj.Namespace, Name: obj.Name}
	r.config.Store.Forget(owner)
	r.config.Store.Forget(partOf(owner))
	r.memory.forget(owner)
	return nil
}

// one is one reconcile of one object.
type one struct {
	*reconciler
	*attempt.Attempt
	obj *v1.Bucket
	// access is a digest of what is read, as whom, and how the store is reached and known
	// to be the right one: whoever has the same sees the same.
	access string
}

// run is the order of the steps.
func (a *one) run(ctx context.Context) (reconcilers.Result, error) {
	source, done, err := a.source(ctx)
	if err != nil {
		return reconcilers.Result{}, err
	}
	defer done()
	listing, err := a.listings.Share(ctx, a.access, func(ctx context.Context) (*bucket.Listing, error) {
		return source.List(ctx, a.memory.of(a.Owner).tree)
	})
	if err != nil {
		return reconcilers.Result{}, a.fetchFailed(ctx, err)
	}
	if a.Stored() && a.obj.Status.Artifact.Revision == listing.Revision() {
		a.dropPart()
		return a.unchanged(listing.Revision()), nil
	}
	a.Fetching(ctx, listing.Revision())
	snapshot, known, err := a.fetch(ctx, source, listing)
	if err != nil {
		return reconcilers.Result{}, a.fetchFailed(ctx, err)
	}
	result, err := a.publish(snapshot)
	if err == nil {
		a.finish(known)
	}
	return result, err
}

// source returns what to read, from spec and its Secrets, and what ends reading.
func (a *one) source(ctx context.Context) (*bucket.Source, func(), error) {
	service, closeTransports, err := a.service(ctx)
	if err != nil {
		return nil, nil, err
	}
	spec := a.obj.Spec
	source := &bucket.Source{
		Service: service, Name: spec.BucketName, Prefix: spec.Prefix, Timeout: a.obj.GetTimeout(),
		Place: a.place(), Limits: a.Limits, Memory: a.Headroom.Share(),
	}
	if spec.Ignore != nil {
		source.Ignore = *spec.Ignore
	}
	return source, func() {
		a.learnRegion(service)
		source.Memory.Leave()
		closeTransports()
	}, nil
}

// place tells the bucket from every other.
func (a *one) place() string {
	return strings.Join([]string{a.obj.GetProvider(), a.obj.Spec.Endpoint, a.obj.Spec.BucketName}, "\n")
}

// unchanged ends a run that found nothing new.
func (a *one) unchanged(revision string) reconcilers.Result {
	a.obj.Status.URL = a.URL(latest)
	return a.Unchanged(api.ReasonSucceeded, stored(revision), api.ReasonArtifactUpToDate,
		fmt.Sprintf("artifact up-to-date with remote revision: '%s'", revision))
}

// latest is the name by which the newest artifact can be asked for.
const latest = "latest.tar.gz"

func stored(revision string) string { return fmt.Sprintf("stored artifact: revision '%s'", revision) }

// publish stores the tree and says so.
func (a *one) publish(snapshot sources.Snapshot) (reconcilers.Result, error) {
	if before := a.obj.Status.Artifact; before != nil && before.Revision != snapshot.Revision {
		a.Set(api.ConditionArtifactOutdated, true, api.ReasonNewRevision,
			fmt.Sprintf("new upstream revision '%s'", snapshot.Revision))
	}
	_, hex, _ := strings.Cut(snapshot.Revision, ":")
	result, err := a.Publish(attempt.Publication{
		Revision: snapshot.Revision, File: cmp.Or(hex, snapshot.Revision) + ".tar.gz", Tree: snapshot.Tree,
		Message: stored(snapshot.Revision), Warnings: snapshot.Warnings, News: "stored artifact with " + snapshot.Summary,
	})
	if err != nil {
		return result, err
	}
	a.obj.Status.URL = a.URL(latest)
	a.obj.Status.ObservedIgnore = a.obj.Spec.Ignore
	return result, nil
}

// refill loads the artifact of a suspended object into memory, if the bucket still
// holds just that. It is no failure if it does not: there is nothing to wait for.
func (a *one) refill(ctx context.Context) error {
	recorded := a.obj.Status.Artifact
	if recorded == nil || a.Stored() {
		return nil
	}
	source, done, err := a.source(ctx)
	if err != nil {
		return err
	}
	defer done()
	listing, err := source.List(ctx, nil)
	if err != nil || listing.Revision() != recorded.Revision {
		return err
	}
	snapshot, known, err := a.fetch(ctx, source, listing)
	if err != nil || snapshot.Tree.Digest() != recorded.Digest {
		return err
	}
	if _, err = a.Store.Put(a.Owner, recorded.Revision, snapshot.Tree, nil); err == nil {
		a.finish(known)
	}
	return err
}
