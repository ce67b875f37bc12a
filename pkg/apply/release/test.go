package release

import (
	"context"
	"slices"

	helm "helm.sh/helm/v3/pkg/release"
)

// Test runs the tests of the last revision. If they run already, it goes on. A
// revision without any is done at once, and not written.
func (r *Releaser) Test(ctx context.Context, t Target, te Test) (Step, error) {
	_, last, err := t.present(ctx, ErrNoRelease)
	if err != nil {
		return Step{}, err
	}
	if step, on, err := r.goOn(ctx, t, last, ActionTest, nil); on || err != nil {
		return step, err
	}
	if last.status().IsPending() {
		return Step{}, ErrPending
	}
	rev, err := t.read(ctx, last.number)
	if err != nil {
		return Step{}, err
	}
	if rev == nil {
		return Step{}, ErrMoved
	}
	m := r.fresh(t, ActionTest, te.Options)
	m.Terms.Include, m.Terms.Exclude, m.Terms.NoHooks = te.Include, te.Exclude, false
	a := &act{Releaser: r, t: t, head: rev.head, m: m, rev: rev}
	none := !slices.ContainsFunc(rev.hooks, func(h *storedHook) bool { return h.is(helm.HookTest) && a.selects(h) })
	if none {
		a.step.Action, a.step.Attempt, a.step.Began = m.Action, m.Attempt, m.Began
		if err := a.observed(rev, Tag{OCIDigest: m.Terms.OCIDigest}); err != nil {
			return Step{}, err
		}
		return a.ended(), nil
	}
	if err := a.note(ctx); err != nil {
		return Step{}, err
	}
	return a.run(ctx, nil)
}
