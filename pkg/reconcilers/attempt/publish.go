package attempt

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Stored says whether the artifact of the status is in memory or on disk.
func (a *Attempt) Stored() bool {
	recorded := *a.artifact
	if recorded == nil {
		return false
	}
	newest, ok := a.Store.Newest(a.Owner)
	return ok && newest.Digest == recorded.Digest && newest.Revision == recorded.Revision
}

// URL returns where a file of the object would be served.
func (a *Attempt) URL(file string) string { return a.BaseURL + a.Owner.String() + "/" + file }

// Publication is an artifact that is to be stored, and what is to be said of it.
type Publication struct {
	Revision string
	// File is the last part of the path of the artifact.
	File     string
	Tree     *artifacts.Tree
	Metadata map[string]string
	// Reason and Message are those of ArtifactInStorage and Ready; without a
	// reason it is Succeeded.
	Reason, Message string
	// News is the message of the event if the content is new, and NewsReason its
	// reason, NewArtifact if empty.
	News, NewsReason string
	// Warnings tell what the tree leaves out. The event repeats some of them.
	Warnings []artifacts.Warning
}

// Publish stores an artifact and says so, in this order. The caller sets what of
// the status is special about its kind.
func (a *Attempt) Publish(p Publication) (reconcilers.Result, error) {
	stored, err := a.Store.PutAs(artifacts.Artifact{
		Owner: a.Owner, Revision: p.Revision, File: p.File, Metadata: p.Metadata,
	}, p.Tree)
	if err != nil {
		return reconcilers.Result{}, a.StorageFailed(api.ReasonArchiveOperationFailed, err)
	}
	return a.Announce(stored, p), nil
}

// Announce says of an artifact that it is stored.
func (a *Attempt) Announce(stored artifacts.Artifact, p Publication) reconcilers.Result {
	before := *a.artifact
	artifact := &api.Artifact{
		Path: a.Owner.String() + "/" + p.File, URL: a.URL(p.File),
		Revision: stored.Revision, Digest: stored.Digest, Size: &stored.Size, Metadata: stored.Metadata,
		LastUpdateTime: metav1.NewTime(stored.Updated.UTC()),
	}
	same := before != nil && before.Digest == artifact.Digest
	if same && before.Revision == artifact.Revision {
		artifact.LastUpdateTime = before.LastUpdateTime
	}
	*a.artifact = artifact
	a.Drop(api.ConditionStorageOperationFailed)
	result := a.ready(p.Reason, p.Message)
	switch {
	case !same:
		result.Fact = a.fact(cmp.Or(p.NewsReason, api.ReasonNewArtifact), p.News+warnings(p.Warnings))
	case a.failed:
		result.Fact = a.fact(cmp.Or(p.Reason, api.ReasonSucceeded), p.Message)
	}
	return result
}

// Unchanged ends an attempt that found nothing new. Everything but generations stays
// as it is, so that nothing is written where nothing changed. Reason and message
// are those of ArtifactInStorage and Ready; routine is what to tell whoever asked,
// with the reason routineReason.
func (a *Attempt) Unchanged(reason, message, routineReason, routine string) reconcilers.Result {
	artifact := (*a.artifact).DeepCopy()
	artifact.URL = a.BaseURL + artifact.Path
	*a.artifact = artifact
	a.Drop(api.ConditionStorageOperationFailed)
	result := a.ready(reason, message)
	if a.failed {
		result.Fact = a.fact(cmp.Or(reason, api.ReasonSucceeded), message)
		return result
	}
	result.Fact = &reconcilers.Fact{Reason: routineReason, Message: routine, Routine: true}
	return result
}

// ready sets what a good end leaves behind.
func (a *Attempt) ready(reason, message string) reconcilers.Result {
	a.Drop(api.ConditionFetchFailed, api.ConditionArtifactOutdated)
	reason = cmp.Or(reason, api.ReasonSucceeded)
	a.Set(api.ConditionArtifactInStorage, true, reason, message)
	return reconcilers.Result{Reason: reason, Message: message, Revision: (*a.artifact).Revision}
}

// fact tells of the artifact in the status.
func (a *Attempt) fact(reason, message string) *reconcilers.Fact {
	return &reconcilers.Fact{
		Reason: reason, Message: message,
		Annotations: map[string]string{
			api.SourceGroup + "/" + api.EventKeyRevision: (*a.artifact).Revision,
			api.SourceGroup + "/" + api.EventKeyDigest:   (*a.artifact).Digest,
		},
	}
}

// maxWarnings is how many warnings one event repeats.
const maxWarnings = 5

func warnings(all []artifacts.Warning) string {
	text := ""
	for i, w := range all {
		if i == maxWarnings {
			return text + fmt.Sprintf("; and %d more", len(all)-i)
		}
		text += "; " + w.String()
	}
	return text
}
