package apply

import (
	"context"
	"slices"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Prune deletes stale objects of owner in reverse order: those that still carry
// its labels and no mark that protects them. It returns what it did, in that
// order, and which entries could not be decided and belong back into the
// inventory; then the error is a *[PruneError]. An object that is gone, or whose
// kind is, counts as deleted. Accepted is enough: a finalizer may keep it a while.
func (a *Applier) Prune(ctx context.Context, owner Owner, stale Inventory) (Changes, Inventory, error) {
	sorted := slices.Clone(stale)
	slices.SortStableFunc(sorted, func(e, f Entry) int {
		s, t := stageOf(e.GroupKind(), a.cfg.StageKinds), stageOf(f.GroupKind(), a.cfg.StageKinds)
		if s != t {
			return t - s
		}
		return f.compare(e)
	})
	m := a.mapper()
	cuts := make([]*cut, len(sorted))
	for i, e := range sorted {
		cuts[i] = a.locate(m, owner, e)
	}
	for _, class := range classes(len(sorted), func(i int) Entry { return sorted[i] }) {
		batch := cuts[class[0]:class[1]]
		a.each(ctx, len(batch), func(i int) { a.prune(ctx, owner, batch[i]) })
	}
	return tally(ctx, cuts)
}

// Doomed returns those of the stale objects that [Applier.Prune] would delete now, in
// the order given. What cannot be found out counts as deleted. It deletes nothing.
func (a *Applier) Doomed(ctx context.Context, owner Owner, stale Inventory) (Inventory, error) {
	var doomed Inventory
	for _, c := range a.fates(ctx, owner, stale) {
		if c.action == "" {
			doomed = append(doomed, c.entry)
		}
	}
	return doomed, ctx.Err()
}

// fates finds out what would become of stale objects. Those without an action would be
// deleted, and so may be those with an error.
func (a *Applier) fates(ctx context.Context, owner Owner, stale Inventory) []*cut {
	m := a.mapper()
	cuts := make([]*cut, len(stale))
	for i, e := range stale {
		cuts[i] = a.locate(m, owner, e)
	}
	a.each(ctx, len(cuts), func(i int) {
		c := cuts[i]
		if c.action != "" || c.err != nil {
			return
		}
		rec, ok := a.store.trusted(c.src, c.key, a.by(owner))
		if !ok {
			live, err := a.get(ctx, c.served, c.key)
			switch {
			case err != nil:
				c.err = objectError(c.entry, "query failed", err)
				return
			case live == nil:
				c.action = Deleted
				return
			}
			c.live = live
			rec, _ = a.store.reduce(c.src, live)
		}
		c.action = spare(rec, owner)
	})
	return cuts
}

// cut is one stale object on its way out.
type cut struct {
	entry  Entry
	served served
	src    *source // nil if the kind is not watched
	key    key
	live   *unstructured.Unstructured // if it was read to find out its fate
	action Action
	err    *ObjectError
}

// locate finds out how the kind of a stale entry is served.
func (a *Applier) locate(m *mapper, owner Owner, e Entry) *cut {
	c := &cut{entry: e}
	v, err := m.any(e)
	switch {
	case meta.IsNoMatchError(err):
		c.action = Deleted // with its kind
	case err != nil:
		c.err = objectError(e, "query failed", err)
	default:
		c.served, c.key = v, v.place(e.Namespace, e.Name)
		c.src = a.store.find(a.target(v))
	}
	return c
}

// prune decides about one object and deletes it. The record that was checked has the
// UID that the delete is bound to; if the object was replaced in between, the check
// is made again, on what the cluster has.
func (a *Applier) prune(ctx context.Context, owner Owner, c *cut) {
	if c.action != "" || c.err != nil {
		return
	}
	rec, ok := a.store.trusted(c.src, c.key, a.by(owner))
	a.store.disown(c.src, c.key, owner)
	const tries = 3
	for range tries {
		if !ok {
			live, err := a.get(ctx, c.served, c.key)
			if err != nil {
				c.err = objectError(c.entry, "query failed", err)
				return
			}
			if live == nil {
				c.action, c.err = Deleted, nil
				return
			}
			rec, _ = a.store.reduce(c.src, live)
		}
		if c.action = spare(rec, owner); c.action != "" {
			c.err = nil
			return
		}
		err := a.delete(ctx, c.served, c.key, rec.uid)
		switch {
		case err == nil, apierrors.IsNotFound(err):
			c.action, c.err = Deleted, nil
			return
		case apierrors.IsConflict(err):
			c.err, ok = objectError(c.entry, "delete failed", err), false
		default:
			c.err = objectError(c.entry, "delete failed", err)
			return
		}
	}
}

// spare returns Skipped for an object that is not to be deleted: it carries other
// labels, or a mark that protects it.
func spare(rec record, owner Owner) Action {
	if rec.owner != unique.Make(owner) || rec.flags&(hands|markKeep) != 0 {
		return Skipped
	}
	return ""
}

// tally sums up what became of cuts.
func tally(ctx context.Context, cuts []*cut) (Changes, Inventory, error) {
	var changes Changes
	var remaining Inventory
	var errs []*ObjectError
	for _, c := range cuts {
		switch {
		case c.err != nil:
			errs = append(errs, c.err)
			remaining = append(remaining, c.entry)
		case c.action == "":
			remaining = append(remaining, c.entry)
		default:
			changes = append(changes, Change{c.entry, c.action})
		}
	}
	if len(errs) > 0 {
		return changes, remaining, &PruneError{errs}
	}
	return changes, remaining, ctx.Err()
}
