package release

import (
	"context"
	"fmt"
	"io"
)

// Rollback makes another revision of a release, which repeats an earlier one. If the
// same attempt is under way, it goes on.
func (r *Releaser) Rollback(ctx context.Context, t Target, rb Rollback) (Step, error) {
	heads, last, err := t.present(ctx, ErrNoRelease)
	if err != nil {
		return Step{}, err
	}
	if step, on, err := r.goOn(ctx, t, last, ActionRollback, nil); on || err != nil {
		return step, err
	}
	target, err := t.read(ctx, rb.Version)
	if err != nil {
		return Step{}, err
	}
	if target == nil || rb.Version >= last.number {
		return Step{}, fmt.Errorf("release has no %d version: %w", rb.Version, ErrNoRelease)
	}
	current, err := t.read(ctx, last.number)
	if err != nil {
		return Step{}, err
	}
	if current == nil {
		return Step{}, ErrMoved
	}
	t.Namespace = current.namespace
	m := r.fresh(t, ActionRollback, rb.Options)
	m.From, m.Terms.Force, m.Terms.Cleanup, m.Terms.TakeOwnership = last.number, rb.Force, rb.CleanupOnFail, true
	c := *target.content
	c.version, c.namespace, c.method = last.number+1, current.namespace, MethodOf(rb.Method, target.method)
	c.info = info{
		FirstDeployed: current.info.FirstDeployed, LastDeployed: m.Began, Status: statusPendingRollback,
		Notes: target.info.Notes, Description: fmt.Sprintf("Rollback to %d", rb.Version),
	}
	if err := t.prune(ctx, without(heads, rb.Version), rb.MaxHistory); err != nil {
		return Step{}, err
	}
	a := &act{Releaser: r, t: t, m: m}
	err = a.begin(ctx, &c, target.meta.Labels, func(w io.Writer) error { return c.rewrite(w, target.data) })
	if err != nil {
		return Step{}, err
	}
	return a.run(ctx, nil)
}

// without returns heads but for one, which is in use.
func without(heads []head, version int) []head {
	var rest []head
	for _, h := range heads {
		if h.number != version {
			rest = append(rest, h)
		}
	}
	return rest
}
