package consumer

import (
	"errors"
	"fmt"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/sources/external"
)

// Externals opens the artifacts that others offer; [external.Fetcher] is one.
type Externals interface {
	Open(owner artifacts.Owner, a external.Artifact) (t *artifacts.Tree, release func(), err error)
}

// coldRetry is how long to wait for an artifact that is not in memory before
// looking again without having been woken.
const coldRetry = 15 * time.Second

// Opener opens artifacts for one kind.
type Opener struct {
	Store *artifacts.Store
	// Externals is for the kind ExternalArtifact.
	Externals Externals
	// Requeue is after how long to look again for an artifact that others do not
	// have.
	Requeue time.Duration
	// NotFound is what people are told of an artifact that is not there, with the
	// delay until the next look for %s.
	NotFound string
}

// Open returns the tree of an artifact, which stays in memory until release is called.
// As long as what is not in memory may still come, the object stays as it is.
func (o Opener) Open(owner artifacts.Owner, artifact *api.Artifact) (t *artifacts.Tree, release func(), err error) {
	if owner.Kind == api.ExternalArtifactKind {
		return o.external(owner, artifact)
	}
	t, release, err = o.Store.Open(owner, artifact.Digest)
	if err != nil {
		return nil, nil, o.cold()
	}
	return t, release, nil
}

func (o Opener) cold() error {
	return fault.Cold(api.ReasonProgressing, fmt.Errorf(o.NotFound, coldRetry), coldRetry)
}

// external is Open for an artifact of somebody else, which comes over the network.
func (o Opener) external(owner artifacts.Owner, artifact *api.Artifact) (t *artifacts.Tree, release func(), err error) {
	wanted := external.Artifact{
		URL: artifact.URL, Revision: artifact.Revision, Digest: artifact.Digest, Metadata: artifact.Metadata,
	}
	if artifact.Size != nil {
		wanted.Size = *artifact.Size
	}
	t, release, err = o.Externals.Open(owner, wanted)
	failure, failed := errors.AsType[*external.Failure](err)
	switch {
	case err == nil:
		return t, release, nil
	case errors.Is(err, external.ErrNotFound):
		err = fmt.Errorf(o.NotFound, o.Requeue)
		return nil, nil, &fault.WaitingError{Reason: api.ReasonArtifactFailed, Err: err, After: o.Requeue, Quiet: true}
	case failed && failure.After > 0:
		return nil, nil, fault.Cold(api.ReasonProgressing, err, failure.After)
	case failed:
		return nil, nil, fault.Failed(api.ReasonArtifactFailed, err)
	}
	return nil, nil, o.cold()
}
