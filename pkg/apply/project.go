package apply

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// project returns what an apply behind a takeover would leave, from the result of a
// dry-run without one: what other tools left there becomes ours, and what of it is not
// desired goes. A forced dry-run has taken from these tools what is desired, unless they
// agree with us on its value; so what they own alone is what goes. dry is not changed.
func (t takeover) project(dry *unstructured.Unstructured) *unstructured.Unstructured {
	after := dry.DeepCopy()
	for _, l := range leftovers() {
		removePath(after.Object, []string{"metadata", l[0], l[1]})
	}
	entries, _ := field(dry, "metadata", "managedFields").([]any)
	var taken, kept []map[string]any
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		set, _ := entry["fieldsV1"].(map[string]any)
		if t.takes(entry) {
			taken = append(taken, set)
		} else {
			kept = append(kept, set)
		}
	}
	var goes [][]string
	for _, set := range taken {
		members(set, dry.Object, nil, func(path []string) {
			if !slices.ContainsFunc(kept, func(other map[string]any) bool { return owns(other, dry.Object, path) }) {
				goes = append(goes, path)
			}
		})
	}
	for _, path := range goes {
		cutOut(after.Object, path)
	}
	compact(after.Object)
	return after
}

// taken returns what an apply behind a takeover would leave of the object. The API
// server fills in anew what goes and has a default, so it is asked for that, as for a
// patch by which the object would come to be so. Where it refuses that, the defaults are
// missing.
func (s *sight) taken(ctx context.Context, dry *unstructured.Unstructured) *unstructured.Unstructured {
	after := s.reducer.takeover.project(dry)
	if s.live == nil {
		return after
	}
	data, err := json.Marshal(mergePatch(declared(s.live), declared(after)))
	if err != nil {
		return after
	}
	obj, err := s.resource(s.served, s.key).Patch(ctx, s.key.name, types.MergePatchType, data,
		metav1.PatchOptions{FieldManager: s.cfg.Manager, DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationIgnore})
	if err != nil {
		return after
	}
	return obj
}

// declared returns what of an object people declare: all but the status, and of the
// metadata labels and annotations.
func declared(obj *unstructured.Unstructured) map[string]any {
	all := maps.Clone(obj.Object)
	delete(all, "status")
	metadata := map[string]any{}
	for _, name := range []string{"labels", "annotations"} {
		if value := field(obj, "metadata", name); value != nil {
			metadata[name] = value
		}
	}
	all["metadata"] = metadata
	return all
}

// mergePatch returns the merge patch (RFC 7386) that makes from to to.
func mergePatch(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for name, after := range to {
		before, ok := from[name]
		b, isMap := before.(map[string]any)
		a, areMaps := after.(map[string]any)
		switch {
		case ok && isMap && areMaps:
			if sub := mergePatch(b, a); len(sub) > 0 {
				patch[name] = sub
			}
		case !ok || !reflect.DeepEqual(before, after):
			patch[name] = after
		}
	}
	for name := range from {
		if _, ok := to[name]; !ok {
			patch[name] = nil
		}
	}
	return patch
}

// members calls f with the path of each field and list item in v that a FieldsV1 set
// owns itself, and not only parts of.
func members(set map[string]any, v any, path []string, f func([]string)) {
	for key, member := range set {
		below, there, token := child(key, v)
		if key == "." || !there || token == "" {
			continue
		}
		at := append(path[:len(path):len(path)], token)
		inner, _ := member.(map[string]any)
		if _, itself := inner["."]; itself || len(inner) == 0 {
			f(at)
		}
		members(inner, below, at, f)
	}
}

// cutOut takes a field out of an object, with all that nobody owns in it, as the end of
// its last owner does. A list item leaves a gap, so that the others stay where they are.
func cutOut(obj map[string]any, path []string) {
	last := path[len(path)-1]
	switch parent, _ := lookup(obj, path[:len(path)-1]); parent := parent.(type) {
	case map[string]any:
		delete(parent, last)
	case []any:
		if i, err := strconv.Atoi(last); err == nil && i < len(parent) {
			parent[i] = nil
		}
	}
}

// compact closes the gaps in lists.
func compact(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, sub := range v {
			if list, ok := sub.([]any); ok {
				v[name] = slices.DeleteFunc(list, func(item any) bool { return item == nil })
			}
			compact(v[name])
		}
	case []any:
		for _, item := range v {
			compact(item)
		}
	}
}
