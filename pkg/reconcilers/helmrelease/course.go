package helmrelease

import (
	"errors"
	"fmt"
	"time"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// course is how far a reconcile has come, over all its runs.
type course struct {
	ran   [correcting + 1]bool // classes of actions that were run
	force bool                 // somebody asked for an action
	// announced is the action that the status was saved for.
	announced action
}

// note records that an action was run.
func (c *course) note(a action) { c.ran[a.class()] = true }

// repeats says that an action of the class was run before.
func (c *course) repeats(a action) bool { return c.ran[a.class()] }

// turn is how a reconcile goes on.
type turn struct {
	// over ends it, well or not.
	over bool
	// retry is the delay until the next one, where the strategy is to retry.
	retry time.Duration
	// again asks for the next one soon, with backoff.
	again bool
	// err stalls it.
	err error
}

// refuse returns how to go on where an action would be run a second time.
func (p policy) refuse(obj *v2.HelmRelease) turn {
	if d, retries := p.activeRetry(obj); retries {
		return turn{retry: d}
	}
	if r, active := activeRemediation(obj); !active || !r.exhausted() {
		return turn{again: true}
	}
	return turn{over: true}
}

// remedied returns how to go on after a remediation.
func (p policy) remedied(obj *v2.HelmRelease, a action) turn {
	if d, retries := p.activeRetry(obj); retries {
		return turn{retry: d}
	}
	r, active := activeRemediation(obj)
	reinstalls := a == uninstallRemediation && obj.Status.LastAttemptedReleaseAction == v2.ActionUpgrade
	if !active || !r.exhausted() || reinstalls {
		return turn{again: true}
	}
	return turn{err: errRetriesExceeded}
}

// explain returns what people are told about a release that nothing more is done for.
func explain(obj *v2.HelmRelease, err error) error {
	switch {
	case errors.Is(err, errRetriesExceeded):
		r, _ := activeRemediation(obj)
		//lint:ignore ST1005 the text is what people and tools know
		return fmt.Errorf("Failed to %s after %d attempt(s)", obj.Status.LastAttemptedReleaseAction, r.failures)
	case errors.Is(err, errNoRollbackTarget):
		//lint:ignore ST1005 the text is what people and tools know
		return fmt.Errorf("Failed to perform remediation: %w", err)
	}
	return err
}
