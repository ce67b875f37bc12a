package helmchart

import (
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
)

// source returns the source, which has an artifact unless it is a registry.
func (a *one) source() (api.Source, error) {
	ref := a.obj.Spec.SourceRef
	switch ref.Kind {
	case api.HelmRepositoryKind, api.GitRepositoryKind, api.BucketKind:
	default:
		return nil, a.Stalled(api.ReasonUnsupportedSourceKind, fmt.Errorf("spec.sourceRef.kind: unsupported source kind '%s'", ref.Kind))
	}
	source, ok := a.objects.Source(ref.Kind, a.obj.Namespace, ref.Name)
	if !ok {
		err := fmt.Errorf("failed to get source: %s '%s/%s' not found", ref.Kind, a.obj.Namespace, ref.Name)
		a.Set(api.ConditionFetchFailed, true, api.ReasonSourceUnavailable, err.Error())
		return nil, fault.Backoff(api.ReasonSourceUnavailable, err)
	}
	if repository, ok := source.(*v1.HelmRepository); ok && repository.IsOCI() {
		return source, nil
	}
	artifact := source.GetArtifact()
	if artifact == nil {
		err := fmt.Errorf("no artifact available for %s source '%s'", ref.Kind, ref.Name)
		a.Set(api.ConditionFetchFailed, true, api.ReasonNoSourceArtifact, err.Error())
		return nil, &fault.WaitingError{Reason: api.ReasonNoSourceArtifact, Err: err, After: a.options.RequeueDependency, Quiet: true}
	}
	a.obj.Status.ObservedSourceArtifactRevision = artifact.Revision
	return source, nil
}

// cold waits for a source that is not in memory. What is stored stays good.
func (a *one) cold(what string) error {
	ref := a.obj.Spec.SourceRef
	return fault.Cold(api.ReasonNoSourceArtifact,
		fmt.Errorf("%s of %s source '%s' is not in memory yet", what, ref.Kind, ref.Name), a.options.RequeueDependency)
}
