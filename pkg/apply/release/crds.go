package release

import (
	"context"
	"errors"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// CRDs are the files in the crds folders of a chart and of its enabled subcharts.
type CRDs struct {
	// Manifests are their contents.
	Manifests []string
	Policy    v2.CRDsPolicy // empty means Create
	Method    Method
	Wait      Wait
	// Labels are set on each.
	Labels map[string]string
}

// ApplyCRDs creates, or with the policy CreateReplace also updates, the definitions
// of a chart, and waits for a minute until they are established. It is to be called
// before Install and Upgrade, until it is done. It deletes nothing, and writes no
// revision. Objects of other kinds are left out, with a warning.
func (r *Releaser) ApplyCRDs(ctx context.Context, t Target, c CRDs) (Step, error) {
	return Step{}, errors.ErrUnsupported
}
