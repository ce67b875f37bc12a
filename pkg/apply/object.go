package apply

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Place gives a namespace to those of objects that have none and whose kind is
// namespaced, or not known yet. Those of other kinds have none afterwards. A lookup
// that fails for another reason than that nobody knows the kind is an error.
func (a *Applier) Place(objects []*unstructured.Unstructured, namespace string) error {
	m := a.mapper()
	m.declare(objects)
	for _, obj := range objects {
		v, err := m.known(obj.GroupVersionKind())
		switch {
		case err != nil && !meta.IsNoMatchError(err):
			return objectError(EntryOf(obj), "query failed", err)
		case err == nil && !v.namespaced, err != nil && m.clusterScoped(obj.GroupVersionKind().GroupKind()):
			unstructured.RemoveNestedField(obj.Object, "metadata", "namespace")
		case obj.GetNamespace() == "":
			obj.SetNamespace(namespace)
		}
	}
	return nil
}

// Live returns the object of an entry as the cluster has it, or nil. It is read with
// the identity of a.
func (a *Applier) Live(ctx context.Context, e Entry) (*unstructured.Unstructured, error) {
	m := a.mapper()
	v, err := m.any(e)
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, objectError(e, "query failed", err)
	}
	var live *unstructured.Unstructured
	a.inSlot(ctx, func() { live, err = a.get(ctx, v, v.place(e.Namespace, e.Name)) })
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, objectError(e, "query failed", err)
	}
	return live, nil
}

// Making is how [Applier.Make] creates an object.
type Making uint8

const (
	// Fresh creates the object, and fails if there is one.
	Fresh Making = iota
	// Unforced applies it on the server side, and fails if that takes a field away from
	// others.
	Unforced
	// Forced applies it on the server side.
	Forced
)

// Make creates one object that is part of no plan, and returns it as it is then.
func (a *Applier) Make(ctx context.Context, obj *unstructured.Unstructured, how Making) (*unstructured.Unstructured, error) {
	e := EntryOf(obj)
	m := a.mapper()
	v, err := m.find(obj.GroupVersionKind())
	if err != nil {
		return nil, dryRunError(e, false, err)
	}
	k := v.place(e.Namespace, e.Name)
	var made *unstructured.Unstructured
	a.inSlot(ctx, func() {
		if how != Fresh {
			made, err = a.applyOne(ctx, v, k, obj, how == Forced)
		} else {
			made, err = a.resource(v, k).Create(ctx, obj, metav1.CreateOptions{FieldManager: a.cfg.Manager})
		}
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, applyError(e, err)
	}
	return made, nil
}

func (a *Applier) applyOne(ctx context.Context, v served, k key, obj *unstructured.Unstructured, force bool) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(obj.Object)
	if err != nil {
		return nil, err
	}
	return a.resource(v, k).Patch(ctx, k.name, types.ApplyPatchType, data,
		metav1.PatchOptions{FieldManager: a.cfg.Manager, FieldValidation: a.validation(), Force: &force})
}

// validation is how the API server treats fields that it does not know; empty leaves
// it to the server.
func (a *Applier) validation() string {
	if a.cfg.Strict {
		return metav1.FieldValidationStrict
	}
	return ""
}

// Removal says how objects are deleted.
type Removal struct {
	// Propagation is what happens to their dependents; empty means background.
	Propagation metav1.DeletionPropagation
	// Spare says of an object that it stays; nil spares none.
	Spare func(live *unstructured.Unstructured) bool
}

// Remove deletes the objects of entries, whoever has applied them, in the order given;
// a run of one kind goes at the same time. It returns what it did, and which entries
// are left behind errors, of which there is a *[PruneError] then. A delete is bound to
// the object that [Removal.Spare] was asked about. One that is gone, or whose kind is,
// counts as deleted.
func (a *Applier) Remove(ctx context.Context, owner Owner, entries Inventory, r Removal) (Changes, Inventory, error) {
	m := a.mapper()
	cuts := make([]*cut, len(entries))
	for i, e := range entries {
		cuts[i] = a.locate(m, owner, e)
	}
	for from := 0; from < len(cuts); {
		to := from + 1
		for to < len(cuts) && cuts[to].entry.GroupKind() == cuts[from].entry.GroupKind() {
			to++
		}
		batch := cuts[from:to]
		a.each(ctx, len(batch), func(i int) { a.removeOne(ctx, owner, batch[i], r) })
		from = to
	}
	return tally(ctx, cuts)
}

func (a *Applier) removeOne(ctx context.Context, owner Owner, c *cut, r Removal) {
	if c.action != "" || c.err != nil {
		return
	}
	a.store.disown(c.src, c.key, owner)
	const tries = 3
	for range tries {
		live, err := a.get(ctx, c.served, c.key)
		if err != nil {
			c.err = objectError(c.entry, "query failed", err)
			return
		}
		c.err = nil
		switch {
		case live == nil:
			c.action = Deleted
			return
		case r.Spare != nil && r.Spare(live):
			c.action = Skipped
			return
		}
		err = a.deleteAs(ctx, c.served, c.key, live.GetUID(), r.Propagation)
		switch {
		case err == nil, apierrors.IsNotFound(err):
			c.action = Deleted
			return
		case apierrors.IsConflict(err):
			c.err = objectError(c.entry, "delete failed", err)
		default:
			c.err = objectError(c.entry, "delete failed", err)
			return
		}
	}
}

// Intact says whether every object is known to be as owner has left it, without a
// request: each is watched, and no field of ours has changed since. An object with a
// mark that takes it out of the comparison counts as intact.
func (a *Applier) Intact(owner Owner, entries Inventory) bool {
	m := a.mapper()
	by := a.by(owner)
	return !slices.ContainsFunc(entries, func(e Entry) bool {
		v, err := m.any(e)
		if err != nil {
			return true
		}
		src := a.store.find(a.target(v))
		return src == nil || !a.store.intact(src, v.place(e.Namespace, e.Name), by)
	})
}

func (s *store) intact(src *source, k key, by author) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := src.slots[k]
	if src.state != live || sl == nil || !sl.tells(by) || sl.flags&stale != 0 || sl.writes > 0 {
		return false
	}
	if sl.here && sl.record.owner == by.owner && sl.flags&(hands|markNoRepair) != 0 {
		return true
	}
	return sl.left.author == by && !sl.drifted()
}

// Expect has the kinds of entries watched, and their objects judged by rules from now
// on. It is for an owner that is not planned for now, and changes nothing for one whose
// plan had the same.
func (a *Applier) Expect(owner Owner, entries Inventory, rules *Rules) {
	a.store.agree(owner, a.store.terms(owner).ignore, rules)
	a.Watch(owner, entries)
}
