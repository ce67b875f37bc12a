package helmrelease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// token names an attempt at an action, in the record of the release: it says whose it
// is, and what becomes of it.
func token(obj *v2.HelmRelease, a action) string {
	return fmt.Sprintf("%s/%d/%s", obj.UID, obj.Generation, releaseActions[a])
}

// releaseActions are the names of actions in tokens.
var releaseActions = map[action]string{
	install: "install", upgrade: "upgrade", test: "test", rollback: "rollback", unlock: "unlock",
	uninstall: "uninstall", uninstallRemediation: "uninstall-remediation",
}

// actionOf returns the action of a token of the object's.
func actionOf(obj *v2.HelmRelease, token string) (action, bool) {
	if !strings.HasPrefix(token, string(obj.UID)+"/") {
		return nothing, false
	}
	name := token[strings.LastIndexByte(token, '/')+1:]
	for a, other := range releaseActions {
		if name == other {
			return a, true
		}
	}
	return nothing, false
}

// resume goes on with an action that is under way, and takes in what came of one that
// ended before the status was saved. It needs neither the chart nor anything else that
// the spec names: the record has it all. What cannot be read here is told where it is
// needed.
func (p *pass) resume(ctx context.Context) error {
	if p.obj.Status.StorageNamespace == "" || p.connect(ctx) != nil {
		return ctx.Err()
	}
	t := p.presentTarget()
	last, err := p.look(ctx, t)
	switch {
	case kube.Unwell(err):
		return p.unknown(ctx, err) // what comes next would take an action of ours for somebody else's
	case err != nil:
		return ctx.Err()
	}
	p.resumed = true
	if last == nil {
		return ctx.Err()
	}
	a, mine := actionOf(p.obj, last.Attempt)
	switch {
	case !mine, p.forged(last), !t.Vouches(*last):
		return nil
	case last.Underway:
		return p.proceed(ctx, t, a)
	case p.unsaved(a, last):
		return p.adopt(ctx, t, a, last)
	}
	return nil
}

// resumeLate is resume where the record could not be read before: an action of ours that
// is under way is not to be taken for that of somebody else.
func (p *pass) resumeLate(ctx context.Context) error {
	if p.resumed {
		return nil
	}
	if _, err := p.look(ctx, p.wantedTarget()); err != nil {
		return p.unknown(ctx, err)
	}
	return p.resume(ctx)
}

// forged says whether a record that is pending is not the one that was left so: what it
// holds is about to be applied.
func (p *pass) forged(last *release.Observation) bool {
	latest := p.obj.Status.History.Latest()
	return latest.Targets(last.Name, last.Namespace, last.Version) && pending(latest.Status) && last.Underway && !matches(last, latest)
}

// proceed takes the next step of an action.
func (p *pass) proceed(ctx context.Context, t release.Target, a action) error {
	cause := p.news(a)
	var step release.Step
	var err error
	if cause != nil {
		step, err = p.releases.Cancel(ctx, t, cause)
	} else {
		step, err = p.releases.Continue(ctx, t)
	}
	if errors.Is(err, release.ErrNothingUnderway) {
		p.seen = nil
		return nil
	}
	if kube.Unwell(err) && step.Action == "" {
		return p.interrupted(a, err)
	}
	if err == nil && step.Done && (a == install || a == upgrade || a == rollback) {
		// What was written before the process died is not among what was observed.
		var older []release.Observation
		if older, err = p.older(ctx, t); err == nil {
			step.Observed = append(older, step.Observed...)
		}
	}
	begun := attemptOf(p.obj)
	if end := p.advance(ctx, a, step, err); end != nil || cause == nil || !errors.Is(step.Failure, cause) {
		p.begun = &begun
		return end
	}
	p.course = p.courses.renew(p.owner())
	return &ending{reconcilers.Result{
		Again: true, Progress: cause.Error(),
		Summary: &fault.Summary{Status: "False", Reason: api.ReasonHealthCheckCanceled, Message: cause.Error()},
	}}
}

// attempt is what was wanted when an action began.
type attempt struct {
	generation                     int64
	revision, digest, configDigest string
}

func attemptOf(obj *v2.HelmRelease) attempt {
	s := obj.Status
	return attempt{s.LastAttemptedGeneration, s.LastAttemptedRevision, s.LastAttemptedRevisionDigest, s.LastAttemptedConfigDigest}
}

// outpaced says, once, that an action which was gone on with in this run had begun for
// something else than what is wanted now: to act again is to go on, and no repetition.
func (p *pass) outpaced() bool {
	begun := p.begun
	p.begun = nil
	return begun != nil && *begun != attemptOf(p.obj)
}

// news returns why it makes no sense to wait for the health of what an action has
// released, nil if it does.
func (p *pass) news(a action) error {
	if !p.options.CancelOnNews || a.class() != releasing && a.class() != remediating {
		return nil
	}
	triggered := func(kind, namespace, name string) error {
		//lint:ignore ST1005 the text is what people and tools know
		return fmt.Errorf("New reconciliation triggered by %s/%s/%s", kind, namespace, name)
	}
	status, request := p.obj.Status, p.obj.Annotations[api.AnnotationReconcileRequest]
	if status.LastAttemptedGeneration != p.obj.Generation || request != status.LastHandledReconcileAt {
		return triggered(api.HelmReleaseKind, p.obj.Namespace, p.obj.Name)
	}
	ref, _ := sourceRef(p.obj)
	source, ok := p.objects.SourceOf(ref.GroupKind, ref.Namespace, ref.Name)
	if !ok || source.GetArtifact() == nil {
		return nil
	}
	revision := source.GetArtifact().Revision
	if revision == status.LastAttemptedRevision || status.LastAttemptedRevisionDigest != "" && strings.HasSuffix(revision, status.LastAttemptedRevisionDigest) {
		return nil
	}
	return triggered(ref.Kind, ref.Namespace, ref.Name)
}

// unsaved says whether the status lacks what came of an action that has ended: the
// process died between the last write of the record and that of the status.
func (p *pass) unsaved(a action, last *release.Observation) bool {
	i := slices.IndexFunc(p.obj.Status.History, func(s *v2.Snapshot) bool { return s.Targets(last.Name, last.Namespace, last.Version) })
	switch a {
	case install, upgrade, rollback:
		return i < 0 || pending(p.obj.Status.History[i].Status)
	case test:
		return i >= 0 && !p.obj.Status.History[i].HasBeenTested()
	}
	return false
}

// older returns the revisions that are deployed as far as the history knows, although a
// newer one has taken their place.
func (p *pass) older(ctx context.Context, t release.Target) ([]release.Observation, error) {
	var observed []release.Observation
	for _, s := range p.obj.Status.History {
		if s.Status != statusDeployed {
			continue
		}
		o, err := p.releases.Revision(ctx, t, s.Version, tagOf(s))
		if err != nil {
			return nil, fault.Backoff(api.ReasonStateError, fmt.Errorf("read an earlier record of the release: %w", err))
		}
		if o != nil && o.Status == statusSuperseded {
			observed = append(observed, *o)
		}
	}
	return observed, nil
}

// adopt takes in what came of an action that has ended.
func (p *pass) adopt(ctx context.Context, t release.Target, a action, last *release.Observation) error {
	tag := release.Tag{}
	if a == install || a == upgrade {
		tag.OCIDigest = p.obj.Status.LastAttemptedRevisionDigest
	}
	observed, err := p.older(ctx, t)
	if err != nil {
		return err
	}
	whole, err := p.releases.Revision(ctx, t, last.Version, tag)
	if err != nil || whole == nil {
		return fault.Backoff(api.ReasonStateError, fmt.Errorf("read the record of the release: %w", orElse(err, release.ErrNoRelease)))
	}
	step := release.Step{
		Action: last.Action, Attempt: last.Attempt, Done: true, Began: last.Began, Observed: append(observed, *whole),
	}
	if a != test {
		if step.Inventory, err = p.releases.Inventory(ctx, t, last.Version); err != nil {
			return fault.Backoff(api.ReasonStateError, fmt.Errorf("read the record of the release: %w", err))
		}
	}
	if last.Failure != "" {
		step.Failure = errors.New(last.Failure)
	}
	return p.advance(ctx, a, step, nil)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
