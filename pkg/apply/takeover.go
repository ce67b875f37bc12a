package apply

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// takeover is the cleanup of section 2.9, step 5: fields that kubectl or an older
// tool wrote become ours, so that what Git does not have is removed with the next
// apply, and so are the annotations that those tools left.
type takeover struct {
	// managers are those whose fields are taken, by prefix and operation.
	managers []prefixed
	// self is our field manager.
	self string
	// migrate moves every entry to the API version that is applied.
	migrate bool
	// clean removes what older tools left.
	clean bool
}

type prefixed struct{ prefix, operation string }

func newTakeover(self string, override []string, migrate bool) takeover {
	t := takeover{self: self, migrate: migrate, clean: true, managers: []prefixed{
		{"kubectl", "Apply"}, {"kubectl", "Update"}, {"before-first-apply", "Update"}, {self, "Update"},
	}}
	for _, m := range override {
		t.managers = append(t.managers, prefixed{m, "Apply"}, prefixed{m, "Update"})
	}
	return t
}

// only returns t for nothing but what its manager itself wrote by other means than
// apply, and override.
func (t takeover) only(override []string) takeover {
	t.clean, t.managers = false, []prefixed{{t.self, "Update"}}
	for _, m := range override {
		t.managers = append(t.managers, prefixed{m, "Apply"}, prefixed{m, "Update"})
	}
	return t
}

// leftovers returns what is to be removed of what older tools left.
func (t takeover) leftovers() [][2]string {
	if !t.clean {
		return nil
	}
	all := leftovers()
	return all[:]
}

// leftovers returns the paths below metadata that older tools left behind.
func leftovers() [4][2]string {
	return [4][2]string{
		{"annotations", "kubectl.kubernetes.io/last-applied-configuration"},
		{"annotations", "kustomize.toolkit.fluxcd.io/checksum"},
		{"annotations", "fluxcd.io/sync-checksum"},
		{"labels", "fluxcd.io/sync-gc-mark"},
	}
}

// takes says whether the fields of a managedFields entry are to become ours.
func (t takeover) takes(entry map[string]any) bool {
	manager, _ := entry["manager"].(string)
	operation, _ := entry["operation"].(string)
	if s, _ := entry["subresource"].(string); s != "" || ours(entry, t.self) {
		return false
	}
	return slices.ContainsFunc(t.managers, func(p prefixed) bool {
		return p.operation == operation && strings.HasPrefix(manager, p.prefix)
	})
}

// needed says whether obj, live or the result of a dry-run, has something to clean
// up. A forced dry-run only ever takes fields away from other managers, so what it
// leaves of them is what is to be taken over.
func (t takeover) needed(obj *unstructured.Unstructured) bool {
	for _, l := range t.leftovers() {
		if field(obj, "metadata", l[0], l[1]) != nil {
			return true
		}
	}
	entries, _ := field(obj, "metadata", "managedFields").([]any)
	return slices.ContainsFunc(entries, func(e any) bool {
		entry, _ := e.(map[string]any)
		return t.takes(entry) || t.migrates(entry, obj.GetAPIVersion())
	})
}

func (t takeover) migrates(entry map[string]any, apiVersion string) bool {
	v, _ := entry["apiVersion"].(string)
	return t.migrate && v != "" && v != apiVersion
}

// patch returns the JSON patch that cleans up live, bound to its version, or nil
// if there is nothing to do. It has to be made from the live object: our entry in
// dry, the result of a dry-run, lacks what the next apply has to remove. Only where
// live has no managed fields at all, dry tells which it would get.
func (t takeover) patch(live *unstructured.Unstructured, dry []any, apiVersion string) ([]byte, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"`
	}
	var ops []operation
	for _, l := range t.leftovers() {
		if field(live, "metadata", l[0], l[1]) != nil {
			key := strings.ReplaceAll(strings.ReplaceAll(l[1], "~", "~0"), "/", "~1")
			ops = append(ops, operation{Op: "remove", Path: "/metadata/" + l[0] + "/" + key})
		}
	}
	entries, _ := field(live, "metadata", "managedFields").([]any)
	if len(entries) == 0 {
		entries = dry
	}
	if merged, changed := t.merge(entries, apiVersion); changed {
		ops = append(ops, operation{"replace", "/metadata/managedFields", merged})
	}
	if len(ops) == 0 {
		return nil, nil
	}
	ops = append(ops, operation{"replace", "/metadata/resourceVersion", live.GetResourceVersion()})
	data, err := json.Marshal(ops)
	if err != nil {
		return nil, fmt.Errorf("encode the takeover of %s: %w", EntryOf(live), err)
	}
	return data, nil
}

// merge returns entries with those that are to be taken merged into ours, and
// whether that changed anything. Where we have no entry yet the first that is
// taken becomes it. entries is not changed.
func (t takeover) merge(entries []any, apiVersion string) ([]any, bool) {
	var kept []any
	var mine map[string]any
	changed := false
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		if t.migrates(entry, apiVersion) {
			entry = maps.Clone(entry)
			entry["apiVersion"] = apiVersion
			changed = true
		}
		switch {
		case t.takes(entry):
			changed = true
			mine = t.absorb(mine, entry)
		case ours(entry, t.self):
			mine = t.absorb(entry, mine)
		default:
			kept = append(kept, entry)
		}
	}
	if mine != nil {
		kept = append(kept, mine)
	}
	return kept, changed
}

// absorb returns entry a, as ours, with the fields of b. Either may be nil.
func (t takeover) absorb(a, b map[string]any) map[string]any {
	if a == nil {
		a, b = b, nil
	}
	if a == nil {
		return nil
	}
	merged := maps.Clone(a)
	merged["manager"], merged["operation"] = t.self, "Apply"
	if b != nil {
		x, _ := a["fieldsV1"].(map[string]any)
		y, _ := b["fieldsV1"].(map[string]any)
		merged["fieldsV1"] = unionFields(x, y)
	}
	return merged
}

// unionFields returns the union of two FieldsV1 sets. A set without members stands
// for its whole path; with members it has to say so with a dot.
func unionFields(a, b map[string]any) map[string]any {
	if len(a) == 0 && len(b) == 0 {
		return map[string]any{}
	}
	u := maps.Clone(a)
	if u == nil {
		u = map[string]any{}
	}
	for key, members := range b {
		x, both := u[key].(map[string]any)
		y, _ := members.(map[string]any)
		if both {
			u[key] = unionFields(x, y)
		} else {
			u[key] = y
		}
	}
	if len(a) == 0 || len(b) == 0 {
		u["."] = map[string]any{}
	}
	return u
}
