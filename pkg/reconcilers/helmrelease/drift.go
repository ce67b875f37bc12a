package helmrelease

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/events"
)

// watch says what of the release is compared with the cluster.
func (p *pass) watch() release.Watch {
	return release.Watch{
		Version: p.obj.Status.History.Latest().Version, Ignore: p.obj.GetDriftDetection().Ignore,
		Resync: p.resyncs.Due(p.owner(), p.started),
	}
}

// detect compares the objects of a release that is in sync with the cluster.
func (p *pass) detect(ctx context.Context, s situation) (situation, error) {
	found, err := p.releases.Drift(ctx, p.wantedTarget(), p.watch())
	text, differs := differences(found)
	switch {
	case err != nil && !differs:
		return s, fmt.Errorf("detect drift: %w", err)
	case err != nil:
		logr.FromContextOrDiscard(ctx).Error(err, "some objects could not be compared")
	}
	if !differs {
		p.set(api.ConditionDrifted, metav1.ConditionFalse, api.ReasonNoDriftDetected, noDrift)
		return s, nil
	}
	message := driftDetected(p.obj.Status.History.Latest(), text)
	p.set(api.ConditionDrifted, metav1.ConditionTrue, api.ReasonDriftDetected, message)
	if !p.course.repeats(correctDrift) {
		p.publish(events.Error, api.ReasonDriftDetected, message, nil)
	}
	return situation{drifted, text}, nil
}

// differences returns a line for each object that differs or is left out, and says
// whether any differs.
func differences(found []release.Drift) (text string, differs bool) {
	var lines []string
	for _, d := range found {
		line := d.Entry.String()
		switch {
		case d.Held:
			line += " excluded"
		case d.Missing:
			line += " removed"
		default:
			line += fmt.Sprintf(" changed (%d additions, %d changes, %d removals)", d.Additions, d.Changes, d.Removals)
		}
		lines = append(lines, line)
		differs = differs || !d.Held
	}
	return strings.Join(lines, "\n"), differs
}

// correct sets back what differs. It does not wait for anything, and it returns nil: the
// next comparison tells whether it was enough.
func (p *pass) correct(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.obj.GetTimeout())
	defer cancel()
	w := p.watch()
	w.Resync = false
	changes, err := p.releases.Correct(ctx, p.wantedTarget(), w)
	p.course.note(correctDrift)
	p.seen = nil
	latest := p.obj.Status.History.Latest()
	done := changes.Lines(apply.Created, apply.Configured)
	switch {
	case err != nil:
		p.publish(events.Error, api.ReasonDriftCorrectionFailed, correctionFailed(latest, err.Error(), done), ofSnapshot(latest))
	case done != "":
		p.publish(events.Info, api.ReasonDriftCorrected, driftCorrected(latest, done), ofSnapshot(latest))
	}
	return nil
}
