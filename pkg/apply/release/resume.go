package release

import (
	"context"
	"fmt"
)

// Continue goes on with the action of t's owner that is under way, with the options
// with which it began and with what is stored. The error is [ErrNothingUnderway] if
// there is none.
func (r *Releaser) Continue(ctx context.Context, t Target) (Step, error) {
	return r.proceed(ctx, t, nil)
}

// Cancel is Continue, but if the action waits for the health of objects, it fails with
// cause instead. It does not cut hooks short.
func (r *Releaser) Cancel(ctx context.Context, t Target, cause error) (Step, error) {
	return r.proceed(ctx, t, cause)
}

func (r *Releaser) proceed(ctx context.Context, t Target, cancel error) (Step, error) {
	heads, err := t.heads(ctx)
	if err != nil {
		return Step{}, err
	}
	if len(heads) == 0 || !heads[len(heads)-1].mark.of(t.Owner) {
		return Step{}, ErrNothingUnderway
	}
	return r.resume(t, heads[len(heads)-1]).run(ctx, cancel)
}

// Unlock marks a last revision that is pending as failed. If there is none, it does
// nothing.
func (r *Releaser) Unlock(ctx context.Context, t Target, o Options) (Step, error) {
	m := r.fresh(t, ActionUnlock, o)
	a := &act{Releaser: r, t: t, m: m, step: Step{Action: ActionUnlock, Attempt: o.Attempt, Began: m.Began}}
	heads, err := t.heads(ctx)
	if err != nil || len(heads) == 0 {
		return a.ended(), err
	}
	if a.rev, err = t.read(ctx, heads[len(heads)-1].number); err != nil || a.rev == nil {
		return a.ended(), err
	}
	a.head = a.rev.head
	info := &a.rev.info
	if !info.Status.IsPending() {
		return a.ended(), nil
	}
	info.Description = fmt.Sprintf("Release unlocked from stale '%s' state", info.Status)
	info.Status = statusFailed
	m.Step, m.Ended = placeEnded, a.now()
	if err := a.store(ctx); err != nil {
		return Step{Action: ActionUnlock, Attempt: o.Attempt}, err
	}
	return a.ended(), nil
}
