package release

import (
	"context"
	"fmt"
	"io"
)

// Upgrade makes another revision of a release. If the same attempt is under way, it
// goes on.
func (r *Releaser) Upgrade(ctx context.Context, t Target, up Upgrade) (Step, error) {
	if err := up.check(); err != nil {
		return Step{}, err
	}
	heads, last, err := t.present(ctx, fmt.Errorf("%q %w", t.Name, ErrNoDeployed))
	if err != nil {
		return Step{}, err
	}
	if step, on, err := r.goOn(ctx, t, last, ActionUpgrade, nil); on || err != nil {
		return step, err
	}
	if last.status().IsPending() {
		return Step{}, ErrPending
	}
	if up.Revision != 0 && up.Revision != last.number+1 {
		return Step{}, fmt.Errorf("%w: %d", ErrMoved, last.number)
	}
	from, _ := replaced(heads)
	current, err := t.read(ctx, from.number)
	if err != nil {
		return Step{}, err
	}
	if current == nil {
		return Step{}, ErrMoved
	}
	t.Namespace = current.namespace // as Helm has it: a release does not move
	m := r.fresh(t, ActionUpgrade, up.Options)
	m.From, m.Terms.TakeOwnership, m.Terms.Force, m.Terms.Cleanup = from.number, up.TakeOwnership, up.Force, up.CleanupOnFail
	c := &content{
		name: t.Name, namespace: current.namespace, version: last.number + 1, values: up.Values, manifest: up.Manifest,
		chart: up.Chart.Metadata, hooks: storeHooks(up.Hooks), method: orServerSide(up.Method),
		info: info{
			FirstDeployed: current.info.FirstDeployed, LastDeployed: m.Began, Status: statusPendingUpgrade,
			Description: "Preparing upgrade", Notes: up.Notes,
		},
	}
	a := &act{Releaser: r, t: t, m: m}
	before, err := t.objects(current.manifest, current.namespace)
	if err != nil {
		return Step{}, fmt.Errorf("the current release: %w", err)
	}
	if err := a.prepare(ctx, c, up.Rendered, entries(before)); err != nil {
		return Step{}, fmt.Errorf("unable to continue with update: %w", err)
	}
	if err := t.prune(ctx, heads, up.MaxHistory); err != nil {
		return Step{}, err
	}
	err = a.begin(ctx, c, last.meta.Labels, func(w io.Writer) error { return c.encode(w, up.Chart) })
	if err != nil {
		return Step{}, err
	}
	return a.run(ctx, nil)
}
