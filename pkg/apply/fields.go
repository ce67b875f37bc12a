package apply

import (
	"encoding/json"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// owned digests exactly the fields of obj that manager owns through apply, with
// their values. A manager without an entry owns nothing: the digest is 0.
//
// An edit by anybody else moves ownership away, and so changes the digest by the
// path that is missing. The values are in it for edits that keep the ownership,
// such as those of another owner under the same manager.
//
// With updates, what the manager wrote by other means counts, too.
func (h hasher) owned(obj *unstructured.Unstructured, manager string, updates bool, skip *pointers) uint64 {
	if skip.whole() {
		return 0
	}
	entries, _ := field(obj, "metadata", "managedFields").([]any)
	var sum uint64
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		if !ours(entry, manager) && !(updates && updated(entry, manager)) {
			continue
		}
		set, _ := entry["fieldsV1"].(map[string]any)
		version, _ := entry["apiVersion"].(string)
		sum += h.set(set, obj.Object, true, h.text(version), skip)
	}
	return sum
}

// ours says whether a managedFields entry is what manager applied.
func ours(entry map[string]any, manager string) bool {
	subresource, _ := entry["subresource"].(string)
	return entry["manager"] == manager && entry["operation"] == "Apply" && subresource == ""
}

// updated says whether a managedFields entry is what manager wrote by other means
// than apply.
func updated(entry map[string]any, manager string) bool {
	subresource, _ := entry["subresource"].(string)
	return entry["manager"] == manager && entry["operation"] == "Update" && subresource == ""
}

// set digests the fields of a FieldsV1 set below path, whose value is v if there
// is one. A set without members stands for its whole value.
func (h hasher) set(set map[string]any, v any, exists bool, path uint64, skip *pointers) uint64 {
	if len(set) == 0 {
		if !exists {
			return mix(path, tagAbsent)
		}
		return mix(path, h.value(v, skip))
	}
	var sum uint64
	for key, member := range set {
		if key == "." {
			sum += mix(path, tagMap)
			continue
		}
		below, ok, token := child(key, v)
		sub, drop := skip.at(token)
		if drop {
			continue
		}
		members, _ := member.(map[string]any)
		sum += h.set(members, below, ok, mix(path, h.text(key)), sub)
	}
	return sum
}

// child returns what a FieldsV1 key stands for in v, and its JSON pointer token.
// Keys are f:<field>, k:<keys of a list item as JSON>, v:<item> and i:<index>.
func child(key string, v any) (value any, ok bool, token string) {
	if len(key) < 2 || key[1] != ':' {
		return nil, false, ""
	}
	kind, rest := key[0], key[2:]
	if kind == 'f' {
		m, _ := v.(map[string]any)
		value, ok = m[rest]
		return value, ok, rest
	}
	list, _ := v.([]any)
	i := -1
	switch kind {
	case 'i':
		i, _ = strconv.Atoi(rest)
	case 'k':
		i = findItem(list, rest)
	case 'v':
		return nil, true, "" // a set holds the value or does not own it
	}
	if i < 0 || i >= len(list) {
		return nil, false, ""
	}
	return list[i], true, strconv.Itoa(i)
}

// findItem returns the index of the list item that has the given keys, or -1.
func findItem(list []any, keys string) int {
	var want map[string]any
	if json.Unmarshal([]byte(keys), &want) != nil {
		return -1
	}
	for i, item := range list {
		m, _ := item.(map[string]any)
		if m != nil && hasKeys(m, want) {
			return i
		}
	}
	return -1
}

func hasKeys(item, want map[string]any) bool {
	for name, w := range want {
		if !sameScalar(item[name], w) {
			return false
		}
	}
	return true
}

// sameScalar compares the value of a live object with one read by encoding/json,
// which knows no integers.
func sameScalar(live, key any) bool {
	switch live := live.(type) {
	case string:
		s, ok := key.(string)
		return ok && s == live
	case int64:
		f, ok := key.(float64)
		return ok && f == float64(live)
	case float64:
		f, ok := key.(float64)
		return ok && f == live
	case bool:
		b, ok := key.(bool)
		return ok && b == live
	}
	return false
}
