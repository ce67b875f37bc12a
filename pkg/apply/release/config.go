package release

import (
	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
)

// ApplyConfig returns how objects of releases are applied: with the field manager and
// the labels of the stock controller. The connections, who is woken and which managers
// are overridden are for the caller to add.
func ApplyConfig() apply.Config {
	return apply.Config{
		Manager:  "helm-controller",
		Labels:   apply.Labels{Name: api.LabelHelmReleaseName, Namespace: api.LabelHelmReleaseNamespace},
		DriftKey: api.KeyDriftDetection,
		TakeOnly: true, Updates: true, Strict: true,
	}
}
