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

// goOn goes on with an action of the owner that has not ended, any if a is empty. On says
// whether the last revision is about one that is to be gone on with.
func (r *Releaser) goOn(ctx context.Context, t Target, last head, a Action, cancel error) (step Step, on bool, err error) {
	if !last.mark.of(t.Owner) || a != "" && last.mark.Action != a {
		return Step{}, false, nil
	}
	if on, err = r.vouched(ctx, t, last); !on || err != nil {
		return Step{}, false, err
	}
	step, err = r.resume(t, last).run(ctx, cancel)
	return step, true, err
}

// vouched says whether the last revision is as the owner has left it.
func (r *Releaser) vouched(ctx context.Context, t Target, last head) (bool, error) {
	if t.Vouch == nil {
		return true, nil
	}
	o, err := r.Last(ctx, t, t.Tags[last.number])
	return err == nil && o != nil && o.Version == last.number && t.Vouches(*o), err
}

// Vouches says whether a revision is as the owner has left it.
func (t Target) Vouches(o Observation) bool { return t.Vouch == nil || o.Own || t.Vouch(o) }

func (r *Releaser) proceed(ctx context.Context, t Target, cancel error) (Step, error) {
	_, last, err := t.present(ctx, ErrNothingUnderway)
	if err != nil {
		return Step{}, err
	}
	step, on, err := r.goOn(ctx, t, last, "", cancel)
	if !on && err == nil {
		err = ErrNothingUnderway
	}
	return step, err
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
