package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	helm "helm.sh/helm/v3/pkg/release"

	"github.com/fluxd/fluxd/pkg/apply"
)

// act is one call of an action.
type act struct {
	*Releaser
	t    Target
	head head // of the revision that the action is about
	m    *mark
	rev  *revision // the same with its content, nil until it is needed
	step Step
	// ahead says that the mark is further than what is written down.
	ahead bool
}

// failure is why an action has failed. Any other error only ends the call.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(err error) error { return &failure{err} }

// resume returns the call that goes on with what is under way.
func (r *Releaser) resume(t Target, h head) *act {
	m := *h.mark
	m.Hooks, m.Errors = slices.Clone(m.Hooks), slices.Clone(m.Errors)
	return &act{Releaser: r, t: t, head: h, m: &m}
}

// fresh returns the mark of an action that begins now.
func (r *Releaser) fresh(t Target, a Action, o Options) *mark {
	return &mark{
		Attempt: o.Attempt, Owner: t.Owner, Action: a, Step: placePre, Began: r.cfg.Now().UTC(),
		Terms: terms{
			Timeout: duration(o.Timeout), Wait: o.Wait, Jobs: o.WaitForJobs, NoHooks: o.DisableHooks, OCIDigest: o.OCIDigest,
		},
	}
}

// run goes on until the action is done, waits, or cannot go on. cancel, if it is not
// nil, is what a wait for health fails with.
func (a *act) run(ctx context.Context, cancel error) (Step, error) {
	a.step.Action, a.step.Attempt, a.step.Began = a.m.Action, a.m.Attempt, a.m.Began
	for {
		next, err := a.at(ctx, cancel)
		var f *failure
		switch {
		case errors.As(err, &f) && ctx.Err() == nil:
			a.logf("failed at %s: %s", a.m.Step, f)
			next = a.failed(f)
		case err != nil:
			if a.ahead {
				_ = a.note(ctx) // so that the time for another try is known; it is of no use to say that it failed, too
			}
			return a.step, err
		case a.step.Waiting != nil:
			return a.step, a.catchUp(ctx)
		case next == placeEnded:
			return a.ended(), nil
		}
		if err := a.enter(ctx, next); err != nil {
			return a.step, err
		}
	}
}

// failed returns the step that follows a failure. An uninstall whose objects are
// deleted goes on in spite of it.
func (a *act) failed(f *failure) place {
	if a.m.Action == ActionUninstall && (a.m.Step == placeWait || a.m.Step == placePost) {
		a.m.Errors = append(a.m.Errors, f.Error())
		return either(a.m.Step == placeWait, placePost, placeEnd)
	}
	a.m.Failure, a.m.Failed = f.Error(), a.m.Step
	return placeFail
}

// at does what is to be done at a step, and returns the next.
func (a *act) at(ctx context.Context, cancel error) (place, error) {
	switch a.m.Step {
	case placePre:
		return a.then(placeWrite)(a.hooks(ctx))
	case placeWrite:
		if a.m.Action == ActionUninstall {
			return a.then(placeWait)(a.unwrite(ctx))
		}
		return a.then(placeWait)(a.write(ctx))
	case placeWait:
		if a.m.Action == ActionUninstall {
			return a.then(placePost)(a.awaitGone(ctx))
		}
		return a.then(placePost)(a.awaitHealth(ctx, cancel))
	case placePost:
		return a.then(placeEnd)(a.hooks(ctx))
	case placeEnd:
		return placeEnded, a.end(ctx)
	case placeFail:
		return placeEnded, a.fail(ctx)
	}
	return "", fmt.Errorf("the release is at the step %q, which this version does not know", a.m.Step)
}

// then returns the step that follows once a part of an action is done without error.
func (a *act) then(next place) func(error) (place, error) {
	if a.m.Action == ActionTest {
		next = placeEnd
	}
	return func(err error) (place, error) { return next, err }
}

// enter goes to the next step. That is written down with the next thing that must not
// be lost: a run of a hook, a wait, a failure. Whoever takes over before that does a
// step again that can be done again.
func (a *act) enter(ctx context.Context, next place) error {
	a.m.Step, a.m.Since = next, time.Time{}
	if next == placeWait || next == placeWrite {
		a.m.Since = a.now()
	}
	if next == placeFail {
		return a.note(ctx)
	}
	a.ahead = true
	return nil
}

// catchUp writes down where the action is.
func (a *act) catchUp(ctx context.Context) error {
	if !a.ahead {
		return nil
	}
	return a.note(ctx)
}

// note writes down the mark.
func (a *act) note(ctx context.Context) error {
	before := a.head
	if err := a.t.note(ctx, &a.head, a.m, a.now()); err != nil {
		return err
	}
	a.ahead = false
	a.memo.noted(a.t, before, a.head)
	if a.rev != nil {
		a.rev.head = a.head
	}
	return nil
}

func (a *act) now() time.Time { return a.cfg.Now().UTC() }

// content reads the revision, once per call.
func (a *act) content(ctx context.Context) (*revision, error) {
	if a.rev != nil {
		return a.rev, nil
	}
	rev, err := a.t.read(ctx, a.head.number)
	if err != nil {
		return nil, err
	}
	if rev == nil || rev.meta.UID != a.head.meta.UID || rev.meta.ResourceVersion != a.head.meta.ResourceVersion {
		return nil, fmt.Errorf("read secret %s/%s: %w", a.t.Storage, a.head.meta.Name, ErrMoved)
	}
	a.rev, a.t.Namespace = rev, rev.namespace
	return rev, nil
}

// store writes the revision with its mark, and what that is observed as.
func (a *act) store(ctx context.Context) error {
	a.rev.head = a.head
	a.rev.mark = a.m
	if err := a.t.update(ctx, a.rev, a.now()); err != nil {
		return err
	}
	a.head = a.rev.head
	return a.observed(a.rev, Tag{OCIDigest: a.m.Terms.OCIDigest})
}

// observed adds a revision that was written to the step.
func (a *act) observed(rev *revision, tag Tag) error {
	o, err := a.observe(rev, tag)
	if err != nil {
		return err
	}
	if rev.number == a.head.number {
		o.Own = true
		a.memo.keep(a.t, rev.head, tag, o)
	}
	a.tell(o)
	return nil
}

// tell adds an observation to the step, in place of an older one of its revision.
func (a *act) tell(o Observation) {
	a.step.Observed = slices.DeleteFunc(a.step.Observed, func(p Observation) bool { return p.Version == o.Version })
	a.step.Observed = append(a.step.Observed, o)
}

// ended sums up an action that is done.
func (a *act) ended() Step {
	a.step.Done = true
	if a.m.Failure != "" {
		a.step.Failure = errors.New(a.m.Failure)
	}
	return a.step
}

// wait has the call end with what the action waits for. A recheck of zero means that a
// wake will come.
func (a *act) wait(what string, inv apply.Inventory, since time.Time, recheck time.Duration) {
	deadline := since.Add(time.Duration(a.m.Terms.Timeout))
	after := max(deadline.Sub(a.now()), 0)
	if recheck > 0 {
		after = min(after, recheck)
	}
	a.step.Waiting = &Waiting{What: what, For: inv, Deadline: deadline, After: after}
}

// late says whether a wait that began at since has taken too long.
func (a *act) late(since time.Time) bool {
	return !a.now().Before(since.Add(time.Duration(a.m.Terms.Timeout)))
}

// mostLogs is how many lines are told of.
const mostLogs = 10

func (a *act) logf(format string, args ...any) {
	a.step.Logs = append(a.step.Logs, Log{a.now(), fmt.Sprintf(format, args...)})
	if n := len(a.step.Logs) - mostLogs; n > 0 {
		a.step.Logs = a.step.Logs[n:]
	}
}

// event is that of the hooks that run at the present step.
func (a *act) event() helm.HookEvent {
	post := a.m.Step == placePost
	switch a.m.Action {
	case ActionInstall:
		return either(post, helm.HookPostInstall, helm.HookPreInstall)
	case ActionUpgrade:
		return either(post, helm.HookPostUpgrade, helm.HookPreUpgrade)
	case ActionRollback:
		return either(post, helm.HookPostRollback, helm.HookPreRollback)
	case ActionUninstall:
		return either(post, helm.HookPostDelete, helm.HookPreDelete)
	}
	return helm.HookTest
}

func either[T any](is bool, yes, no T) T {
	if is {
		return yes
	}
	return no
}
