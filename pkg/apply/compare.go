package apply

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/forecast"
)

// Difference is how an object differs from what is planned for it.
type Difference struct {
	Entry
	// Missing says that there is no such object, Held that a mark keeps it from being
	// compared.
	Missing, Held bool
	// Additions, Changes and Removals count the fields that applying it would add,
	// change and remove. Of metadata, labels and annotations count, and what is added
	// to them or changed.
	Additions, Changes, Removals int
}

// Compare asks the API server, in dry-runs, what applying plan would change, and
// writes nothing. It returns the objects that differ and those that are held, sorted,
// and an error that has what could not be compared. What is found as it should be is
// remembered, so that the next plan costs nothing.
func (a *Applier) Compare(ctx context.Context, plan *Plan) ([]Difference, error) {
	r := &run{Applier: a, plan: plan}
	var found []Difference
	var trials []*trial
	for _, s := range plan.steps {
		switch {
		case s.verdict == hold:
			found = append(found, Difference{Entry: s.entry, Held: true})
		case s.pending():
			trials = append(trials, &trial{step: s})
		}
	}
	differences := make([]*Difference, len(trials))
	a.each(ctx, len(trials), func(i int) { differences[i] = r.difference(ctx, trials[i]) })
	for _, d := range differences {
		if d != nil {
			found = append(found, *d)
		}
	}
	slices.SortFunc(found, func(d, e Difference) int { return cmp.Compare(d.Entry.String(), e.Entry.String()) })
	return found, stageError(ctx, trials)
}

// difference finds out about one object; nil is none, or an error.
func (r *run) difference(ctx context.Context, t *trial) *Difference {
	if t.served == (served{}) {
		v, err := r.plan.mapper.find(t.entry.GroupVersionKind())
		if err != nil {
			t.err = dryRunError(t.entry, false, err)
			return nil
		}
		t.serve(v)
	}
	if t.served.namespaced && t.key.namespace == "" {
		t.err = namespaceError(t.entry)
		return nil
	}
	dry, err := r.applyObject(ctx, t, true)
	if err != nil {
		t.err = dryRunError(t.entry, t.served.namespaced, err)
		return nil
	}
	if dry.GetResourceVersion() == "" {
		return &Difference{Entry: t.entry, Missing: true}
	}
	if t.src != nil {
		r.recognize(ctx, t)
		if t.known && t.rec.flags&(hands|markNoRepair) != 0 {
			return &Difference{Entry: t.entry, Held: true}
		}
		if r.equal(ctx, t, dry) {
			r.store.settle(t.src, t.key, r.by(r.plan.Owner), t.want, t.rec.owned)
			return nil
		}
	}
	return r.count(ctx, t, dry)
}

// count compares the live object with the result of the dry-run field by field.
func (r *run) count(ctx context.Context, t *trial, dry *unstructured.Unstructured) *Difference {
	live, err := r.get(ctx, t.served, t.key)
	if err != nil {
		t.err = objectError(t.entry, "query failed", err)
		return nil
	}
	if live == nil {
		return &Difference{Entry: t.entry, Missing: true}
	}
	d := &Difference{Entry: t.entry}
	x, y := content(live, t.skip), content(dry, t.skip)
	d.fields(x, y, true)
	metadata, would := labelsAndAnnotations(live, t.skip), labelsAndAnnotations(dry, t.skip)
	removals := d.Removals
	d.fields(metadata, would, false)
	d.Removals = removals
	if d.Additions+d.Changes+d.Removals > 0 {
		return d
	}
	if t.src != nil && t.known {
		r.store.settle(t.src, t.key, r.by(r.plan.Owner), t.want, t.rec.owned)
	}
	return nil
}

// content returns what is beside metadata and status, without what is ignored.
func content(obj *unstructured.Unstructured, skip *pointers) map[string]any {
	c := without(obj, skip)
	for _, name := range [...]string{"metadata", "status", "apiVersion", "kind"} {
		delete(c, name)
	}
	return c
}

func labelsAndAnnotations(obj *unstructured.Unstructured, skip *pointers) map[string]any {
	metadata, _ := without(obj, skip)["metadata"].(map[string]any)
	return map[string]any{"labels": metadata["labels"], "annotations": metadata["annotations"]}
}

// without returns a copy of obj without what is ignored in it.
func without(obj *unstructured.Unstructured, skip *pointers) map[string]any {
	c := obj.DeepCopy().Object
	if skip != nil {
		for _, path := range skip.paths() {
			removePath(c, path)
		}
	}
	return c
}

// fields counts how two values differ. With whole, a value that is added or removed
// counts once, whatever is in it.
func (d *Difference) fields(is, would any, whole bool) {
	if forecast.Empty(is) && forecast.Empty(would) {
		return
	}
	switch w := would.(type) {
	case map[string]any:
		i, ok := is.(map[string]any)
		if !ok && !whole {
			i, ok = map[string]any{}, true
		}
		if ok {
			d.maps(i, w, whole)
			return
		}
	case []any:
		if i, ok := is.([]any); ok {
			d.lists(i, w, whole)
			return
		}
	}
	switch {
	case forecast.Empty(is):
		d.Additions++
	case forecast.Empty(would):
		d.Removals++
	case !forecast.Same(is, would):
		d.Changes++
	}
}

func (d *Difference) maps(is, would map[string]any, whole bool) {
	for name, v := range would {
		d.fields(is[name], v, whole)
	}
	for name, v := range is {
		if _, ok := would[name]; !ok && !forecast.Empty(v) {
			d.Removals++
		}
	}
}

func (d *Difference) lists(is, would []any, whole bool) {
	for i := range max(len(is), len(would)) {
		switch {
		case i >= len(is):
			d.Additions++
		case i >= len(would):
			d.Removals++
		default:
			d.fields(is[i], would[i], whole)
		}
	}
}

// String returns the line that people read of a difference.
func (d Difference) String() string {
	switch {
	case d.Missing:
		return d.Entry.String() + " removed"
	case d.Held:
		return d.Entry.String() + " excluded"
	}
	return fmt.Sprintf("%s changed (%d additions, %d changes, %d removals)", d.Entry, d.Additions, d.Changes, d.Removals)
}
