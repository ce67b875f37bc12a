package helmrelease

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"

	"github.com/fluxd/fluxd/pkg/apply/release"
)

// relocate uninstalls a release that the spec now wants elsewhere, under another name,
// or made of another chart. The next run installs.
func (p *pass) relocate(ctx context.Context) error {
	why := moved(p.obj, p.id.Name)
	if why == "" {
		return nil
	}
	logr.FromContextOrDiscard(ctx).Info("release target configuration changed: running uninstall", "reason", why)
	if p.unannounced(uninstall) {
		return p.announce(uninstall)
	}
	step, err := p.releases.Uninstall(ctx, p.presentTarget(), p.uninstall(uninstall))
	return p.advance(ctx, uninstall, p.tolerate(step, &err), err)
}

// tolerate makes a success of an uninstall that found nothing to do.
func (p *pass) tolerate(step release.Step, err *error) release.Step {
	if errors.Is(*err, release.ErrNoRelease) || errors.Is(*err, release.ErrAlreadyUninstalled) {
		*err = nil
		return release.Step{Action: release.ActionUninstall, Done: true, Logs: []release.Log{{Time: p.started, Text: fmt.Sprintf("Release %s was not found, assuming it is uninstalled", releaseName(p.obj))}}}
	}
	return step
}
