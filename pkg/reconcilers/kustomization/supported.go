package kustomization

import (
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/fault"
)

// reasonNotSupported is the reason of an object that asks for something that
// this version does not do.
const reasonNotSupported = "NotSupported"

// supported refuses an object with a field that would be ignored. Half of what
// somebody asked for may be worse than nothing.
func (p *pass) supported() error {
	spec := p.obj.Spec
	if spec.SourceRef.Kind == "" {
		return fault.Stalled(api.ReasonArtifactFailed, fmt.Errorf("spec.sourceRef.kind is empty"))
	}
	asked := map[string]bool{
		"spec.kubeConfig":         spec.KubeConfig != nil,
		"spec.serviceAccountName": spec.ServiceAccountName != "",
	}
	for _, field := range sortedKeys(asked) {
		if asked[field] {
			return fault.Stalled(reasonNotSupported, fmt.Errorf("%s is not supported yet", field))
		}
	}
	return nil
}
