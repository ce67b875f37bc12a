package helmrelease

import (
	"context"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// begin notes what is attempted, and takes note of requests.
func (p *pass) begin(context.Context) error {
	if p.obj.GetStorageNamespace() == "" {
		return fault.Backoff(api.ReasonFactoryError, fmt.Errorf("the namespace of the records of the release is empty"))
	}
	p.course.force = takeForce(p.obj) || p.course.force
	begin(p.obj, p.want)
	return nil
}

// converge compares and acts until there is nothing more to do for now.
func (p *pass) converge(ctx context.Context) error {
	if err := p.resumeLate(ctx); err != nil {
		return err
	}
	for {
		s, err := p.observe(ctx)
		if err != nil {
			return err
		}
		d, err := p.verified(ctx, p.policy.decide(p.obj, s, p.course.force))
		if err != nil {
			return err
		}
		p.tidy(d)
		switch {
		case d.err != nil:
			return p.stall(d.err)
		case d.action == nothing:
			return p.done()
		case p.course.repeats(d.action) && p.outpaced():
			p.course = p.courses.renew(p.owner())
			return p.announce(d.action)
		case p.course.repeats(d.action):
			return p.goOn(p.policy.refuse(p.obj))
		case p.unannounced(d.action):
			return p.announce(d.action)
		}
		if err := p.act(ctx, d.action, d.verify); err != nil {
			return err
		}
	}
}

// look reads the last record of a release, once until something is done.
func (p *pass) look(ctx context.Context, t release.Target) (*release.Observation, error) {
	if p.seen != nil {
		return p.seen.last, nil
	}
	last, err := p.releases.Last(ctx, t, tagOf(p.obj.Status.History.Latest()))
	if err != nil {
		return nil, err
	}
	p.seen = &sighting{last}
	return last, nil
}

// tagOf is what the digest of a revision is made with, to be compared with that of a
// snapshot.
func tagOf(s *v2.Snapshot) release.Tag {
	if s == nil {
		return release.Tag{}
	}
	return release.Tag{Digest: s.Digest, OCIDigest: s.OCIDigest}
}

// observe finds out what the release is in comparison with what is wanted.
func (p *pass) observe(ctx context.Context) (situation, error) {
	last, err := p.look(ctx, p.wantedTarget())
	if err == nil {
		var s situation
		if s, err = determine(p.obj, last, p.want); err == nil {
			if s.state == inSync && p.obj.GetDriftDetection().Detects() {
				s, err = p.detect(ctx, s)
			}
			if err == nil {
				return s, nil
			}
		}
	}
	return situation{}, p.unknown(ctx, err)
}

// unknown ends the run because nobody knows what the release is.
func (p *pass) unknown(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	//lint:ignore ST1005 the text is what people and tools know
	return fault.Backoff(api.ReasonStateError, fmt.Errorf("Could not determine release state: %w", err))
}

// verified makes an upgrade of a rollback whose target is not as it was.
func (p *pass) verified(ctx context.Context, d decision) (decision, error) {
	if d.verify == nil {
		return d, nil
	}
	o, err := p.releases.Revision(ctx, p.wantedTarget(), d.verify.Version, tagOf(d.verify))
	switch {
	case ctx.Err() != nil:
		return d, ctx.Err()
	case err != nil:
		return d, fault.Backoff(api.ReasonStateError, fmt.Errorf("cannot verify the release to roll back to: %w", err))
	case o == nil || !matches(o, d.verify):
		d.action, d.verify = upgrade, nil
	}
	return d, nil
}

// tidy does to the status what a decision asks for.
func (p *pass) tidy(d decision) {
	if d.forget {
		p.obj.Status.History = nil
	}
	if d.cut {
		p.obj.Status.History = p.policy.truncate(p.obj)
	}
	if d.mend {
		p.mend()
	}
	if !p.obj.GetDriftDetection().Detects() {
		p.drop(api.ConditionDrifted)
	}
}

// unannounced says whether the status is to be saved before an action: what was done in
// this run has to be on record before the next thing is done, and what a release is
// made of before it is made.
func (p *pass) unannounced(a action) bool {
	return p.acted || a.class() == releasing && p.course.announced != a
}

// announce saves the status and comes back.
func (p *pass) announce(a action) error {
	p.course.announced = a
	timeout, text := timeoutOf(p.obj, a), ""
	text = running(a, timeout)
	result := reconcilers.Result{Again: true, Progress: text, Summary: p.summary()}
	if a.class() == releasing {
		result.Summary = &fault.Summary{Status: "Unknown", Reason: api.ReasonProgressing, Message: text}
	}
	return &ending{result}
}
