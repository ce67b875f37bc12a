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

// underway says whether the last revision is about an action of the owner that has not
// ended, and that is to be gone on with.
func (r *Releaser) underway(ctx context.Context, t Target, last head, a Action) (bool, error) {
	if !last.mark.of(t.Owner) || a != "" && last.mark.Action != a {
		return false, nil
	}
	if t.Vouch == nil {
		return true, nil
	}
	o, err := r.Last(ctx, t, t.Tags[last.number])
	if err != nil || o == nil || o.Version != last.number {
		return false, err
	}
	return t.vouches(*o), nil
}

// vouches says whether a revision is as the owner has left it.
func (t Target) vouches(o Observation) bool { return t.Vouch == nil || o.Own || t.Vouch(o) }

func (r *Releaser) proceed(ctx context.Context, t Target, cancel error) (Step, error) {
	_, last, err := t.present(ctx, ErrNothingUnderway)
	if err != nil {
		return Step{}, err
	}
	switch on, err := r.underway(ctx, t, last, ""); {
	case err != nil:
		return Step{}, err
	case !on:
		return Step{}, ErrNothingUnderway
	}
	return r.resume(t, last).run(ctx, cancel)
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
