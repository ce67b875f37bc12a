package apply

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hasher digests JSON values to 64 bits. The seed is random per process: a digest
// never leaves it, nobody can construct two objects that collide, and nobody can
// guess a Secret from one. Maps are summed up, so their order costs no sort.
type hasher struct{ seed maphash.Seed }

func newHasher() hasher { return hasher{maphash.MakeSeed()} }

// Tags keep values of different types apart. Nothing, an empty map and an empty
// list are one value: the API server does not tell them apart either.
const (
	tagEmpty uint64 = 0x9e3779b97f4a7c15 + iota
	tagMap
	tagList
	tagString
	tagNumber
	tagTrue
	tagFalse
	tagAbsent
)

// mix combines two digests; the order matters.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

func (h hasher) text(s string) uint64 { return maphash.String(h.seed, s) }

// value digests v without the parts that skip names.
func (h hasher) value(v any, skip *pointers) uint64 {
	switch v := v.(type) {
	case nil:
		return tagEmpty
	case string:
		return mix(tagString, h.text(v))
	case bool:
		if v {
			return tagTrue
		}
		return tagFalse
	case int64:
		return h.number(float64(v), uint64(v))
	case int:
		return h.number(float64(v), uint64(v))
	case float64:
		return h.number(v, uint64(int64(v)))
	case map[string]any:
		return h.fields(v, skip)
	case []any:
		return h.items(v, skip)
	}
	return mix(tagString, h.text(fmt.Sprint(v)))
}

// number makes 1 and 1.0 equal, and keeps integers beyond 2^53 apart.
func (h hasher) number(f float64, i uint64) uint64 {
	return mix(mix(tagNumber, math.Float64bits(f)), i)
}

func (h hasher) fields(m map[string]any, skip *pointers) uint64 {
	var sum uint64
	n := 0
	for name, v := range m {
		sub, drop := skip.at(name)
		if drop {
			continue
		}
		sum += mix(h.text(name), h.value(v, sub))
		n++
	}
	if n == 0 {
		return tagEmpty
	}
	return mix(tagMap+uint64(n), sum)
}

func (h hasher) items(list []any, skip *pointers) uint64 {
	sum, n := tagList, 0
	for i, v := range list {
		sub, drop := skip.index(i)
		if drop {
			continue
		}
		sum = mix(sum, h.value(v, sub))
		n++
	}
	if n == 0 {
		return tagEmpty
	}
	return sum
}

// content digests what a person would call a change of obj: labels, annotations,
// and everything beside metadata and status. It is what decides whether a dry-run
// would change anything (section 2.9, step 6).
func (h hasher) content(obj *unstructured.Unstructured, skip *pointers) uint64 {
	if skip.whole() {
		return 0
	}
	var sum uint64
	for name, v := range obj.Object {
		switch name {
		case "metadata", "status", "apiVersion", "kind":
			continue
		}
		if sub, drop := skip.at(name); !drop {
			sum += mix(h.text(name), h.value(v, sub))
		}
	}
	metadata, _ := skip.at("metadata")
	for _, name := range [...]string{"labels", "annotations"} {
		if sub, drop := metadata.at(name); !drop {
			sum += mix(h.text(name)+1, h.value(field(obj, "metadata", name), sub))
		}
	}
	return sum
}

// owned digests exactly the fields of obj that manager owns through apply, with
// their values. A manager without an entry owns nothing: the digest is 0.
//
// An edit by anybody else moves ownership away, and so changes the digest by the
// path that is missing. The values are in it for edits that keep the ownership,
// such as those of another owner under the same manager.
func (h hasher) owned(obj *unstructured.Unstructured, manager string, skip *pointers) uint64 {
	if skip.whole() {
		return 0
	}
	entries, _ := field(obj, "metadata", "managedFields").([]any)
	var sum uint64
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		if !ours(entry, manager) {
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
