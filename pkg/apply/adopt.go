package apply

import (
	"context"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// yield makes the object of t, which is written for another reason, leave alone
// what is ignored in it (section 2.10). A field that somebody else has applied is
// left out, so that they own it alone; of any other that differs we send what the
// cluster has. Fields that do not differ stay, because the API may require them.
func (r *run) yield(ctx context.Context, t *trial) error {
	if t.skip == nil || t.dry == nil {
		return nil
	}
	live, err := r.get(ctx, t.served, t.key)
	if err != nil || live == nil {
		return err
	}
	for _, path := range t.skip.paths() {
		has, there := lookup(live.Object, path)
		would, wouldBe := lookup(t.dry.Object, path)
		if there == wouldBe && r.reducer.hash.value(has, nil) == r.reducer.hash.value(would, nil) {
			continue
		}
		switch {
		case r.othersApplied(live, path), !there:
			removePath(t.obj.Object, path)
		default:
			setPath(t.obj.Object, path, has)
		}
	}
	return nil
}

// othersApplied says whether another manager owns the field at path through apply.
func (r *run) othersApplied(live *unstructured.Unstructured, path []string) bool {
	entries, _ := field(live, "metadata", "managedFields").([]any)
	return slices.ContainsFunc(entries, func(e any) bool {
		entry, _ := e.(map[string]any)
		subresource, _ := entry["subresource"].(string)
		set, _ := entry["fieldsV1"].(map[string]any)
		return entry["operation"] == "Apply" && subresource == "" && !ours(entry, r.cfg.Manager) &&
			owns(set, live.Object, path)
	})
}

// owns says whether a FieldsV1 set has the field at path, or something below it. v
// is the value that the set is about.
func owns(set map[string]any, v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	for key, member := range set {
		below, _, token := child(key, v)
		if key == "." || token != path[0] {
			continue
		}
		members, _ := member.(map[string]any)
		return len(members) == 0 || owns(members, below, path[1:])
	}
	return false
}

// paths returns the pointers of the set as token lists, sorted.
func (p *pointers) paths() [][]string {
	if p == nil {
		return nil
	}
	var all [][]string
	p.walk(nil, func(path []string) { all = append(all, slices.Clone(path)) })
	slices.SortFunc(all, slices.Compare)
	return all
}

func (p *pointers) walk(path []string, visit func([]string)) {
	if p.leaf && len(path) > 0 {
		visit(path)
		return
	}
	for token, sub := range p.next {
		sub.walk(append(path, token), visit)
	}
}

// lookup returns the value at path.
func lookup(v any, path []string) (any, bool) {
	for _, token := range path {
		switch parent := v.(type) {
		case map[string]any:
			sub, ok := parent[token]
			if !ok {
				return nil, false
			}
			v = sub
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(parent) {
				return nil, false
			}
			v = parent[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// setPath puts value at path, with the maps on the way that are missing. A list
// item that is missing stays so.
func setPath(obj map[string]any, path []string, value any) {
	var v any = obj
	for i, token := range path {
		last := i == len(path)-1
		switch parent := v.(type) {
		case map[string]any:
			if last {
				parent[token] = value
				return
			}
			if _, ok := parent[token]; !ok {
				parent[token] = map[string]any{}
			}
			v = parent[token]
		case []any:
			n, err := strconv.Atoi(token)
			if err != nil || n < 0 || n >= len(parent) {
				return
			}
			if last {
				parent[n] = value
				return
			}
			v = parent[n]
		default:
			return
		}
	}
}

// removePath removes the field at path. A list item stays: the others would move.
func removePath(obj map[string]any, path []string) {
	parent, ok := lookup(obj, path[:len(path)-1])
	if m, is := parent.(map[string]any); ok && is {
		delete(m, path[len(path)-1])
	}
}
