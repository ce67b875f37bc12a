package attempt

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/transport"
)

// Secrets reads Secrets of any namespace, and their type. The error of a missing
// one satisfies IsNotFound of the API errors package.
type Secrets interface {
	Secret(ctx context.Context, namespace, name string) (data map[string][]byte, kind string, err error)
}

// Config is what the sources of one kind share.
type Config struct {
	Store   *artifacts.Store
	Secrets Secrets
	// Known is Secrets that may be behind by a moment and costs no request while
	// nothing changes. It serves the checks for which nothing but time has passed. It
	// may be nil.
	Known Secrets
	// Clouds gets credentials by identity. DefaultAccount is the ServiceAccount of objects
	// that name none; empty lets them use the identity of the process.
	Clouds         *identity.Clouds
	DefaultAccount string
	// Hosts is what the process knows of the hosts it asks.
	Hosts *transport.Hosts
	// Received is told of the bytes that came for an owner. It may be nil.
	Received func(owner artifacts.Owner, bytes int64)
	// BaseURL is the beginning of status.artifact.url, with its slash.
	BaseURL string
	// Limits bound the files of one source, Headroom the memory that all fetches
	// share; nil is without bounds.
	Limits   artifacts.Limits
	Headroom *artifacts.Headroom
}

// Object is a source with an artifact of its own.
type Object interface {
	api.Object
	GetArtifact() *api.Artifact
}

// Attempt is one reconcile of one object, of which it changes the status alone. It
// is for one goroutine.
type Attempt struct {
	Config
	Owner artifacts.Owner

	obj      Object
	artifact **api.Artifact
	failed   bool
	now      time.Time
}

// Begin returns the attempt of an object of the given kind. Artifact is where its
// status keeps the artifact. Failures are the conditions that mean failure when they
// are True, besides FetchFailed and StorageOperationFailed.
func Begin(c Config, kind string, obj Object, artifact **api.Artifact, failures ...string) *Attempt {
	a := &Attempt{
		Config: c, obj: obj, artifact: artifact, now: time.Now(),
		Owner: artifacts.Owner{Kind: kind, Namespace: obj.GetNamespace(), Name: obj.GetName()},
	}
	failures = append(slices.Clone(failures), api.ConditionFetchFailed, api.ConditionStorageOperationFailed)
	a.failed = slices.ContainsFunc(failures, a.IsTrue)
	if c.Known != nil && !a.failed && routine(obj) {
		a.Secrets = c.Known
	}
	if conditions.IsFalse(obj.GetConditions(), api.ConditionSourceVerified) {
		a.Drop(api.ConditionSourceVerified)
	}
	return a
}

// routine says whether nobody has asked for the attempt, by the spec or by annotation,
// and the one before it ended well.
func routine(obj Object) bool {
	return conditions.IsTrue(obj.GetConditions(), api.ConditionReady) &&
		obj.GetObservedGeneration() == obj.GetGeneration() &&
		obj.GetLastHandledReconcileAt() == obj.GetAnnotations()[api.AnnotationReconcileRequest]
}

// FailedBefore says whether the object carried a condition that means failure when
// the attempt began.
func (a *Attempt) FailedBefore() bool { return a.failed }

// Set sets a condition to True or False.
func (a *Attempt) Set(kind string, is bool, reason, message string) {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	a.obj.SetConditions(conditions.Set(a.obj.GetConditions(), metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: a.obj.GetGeneration(),
	}, a.now))
}

// Drop removes conditions.
func (a *Attempt) Drop(kinds ...string) {
	a.obj.SetConditions(conditions.Delete(a.obj.GetConditions(), kinds...))
}

// IsTrue says whether a condition is there and True.
func (a *Attempt) IsTrue(kind string) bool { return conditions.IsTrue(a.obj.GetConditions(), kind) }

// Fetching says that the files of a revision are fetched, which is news if it is not
// the recorded one.
func (a *Attempt) Fetching(ctx context.Context, revision string) {
	if recorded := *a.artifact; recorded == nil || recorded.Revision != revision {
		reconcilers.Busy(ctx)
	}
}

// Transport returns a transport for the origin of the source, whose bytes count as
// its own. The caller closes it.
func (a *Attempt) Transport(o transport.Options) *transport.Transport {
	o.Received = a.Count
	return a.Hosts.Transport(o)
}

// Count adds to the bytes that came for the source.
func (a *Attempt) Count(bytes int64) {
	if a.Received != nil {
		a.Received(a.Owner, bytes)
	}
}
