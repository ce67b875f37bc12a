package forecast

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Field is one difference between two objects.
type Field struct {
	// Path leads to the field: spec.template.spec.containers[name=web].image.
	Path string `json:"path"`
	// Old and New are the values; nil is none. Both are nil if Masked.
	Old any `json:"old,omitempty"`
	New any `json:"new,omitempty"`
	// Masked says that the values may not be shown.
	Masked bool `json:"masked,omitempty"`
}

// mostFields is how many fields of one object are told.
const mostFields = 200

// Compare returns what a person would call the difference of two objects: labels,
// annotations, and everything beside metadata and status. ignored are the paths, as
// lists of names, whose differences do not count. Either may be nil, and then there is
// nothing to compare.
func Compare(before, after *unstructured.Unstructured, ignored [][]string) []Field {
	if before == nil || after == nil {
		return nil
	}
	c := &comparison{ignored: ignored, secret: isSecret(before) || isSecret(after)}
	c.maps(content(before), content(after), nil, "")
	slices.SortFunc(c.fields, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	if len(c.fields) > mostFields {
		more := len(c.fields) - mostFields
		c.fields = append(c.fields[:mostFields:mostFields], Field{Path: fmt.Sprintf("(%d more fields)", more), Masked: true})
	}
	return c.fields
}

// isSecret says whether obj is a Secret of the core API.
func isSecret(obj *unstructured.Unstructured) bool {
	return obj.GetKind() == "Secret" && obj.GetAPIVersion() == "v1"
}

// content returns what of an object is compared.
func content(obj *unstructured.Unstructured) map[string]any {
	c := make(map[string]any, len(obj.Object))
	for name, value := range obj.Object {
		switch name {
		case "apiVersion", "kind", "metadata", "status":
		default:
			c[name] = value
		}
	}
	metadata, _ := obj.Object["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, name := range []string{"labels", "annotations"} {
		if value, ok := metadata[name]; ok {
			kept[name] = value
		}
	}
	c["metadata"] = kept
	return c
}

type comparison struct {
	fields  []Field
	ignored [][]string
	secret  bool
}

// values compares what is at a path.
func (c *comparison) values(before, after any, path []string, text string) {
	if Empty(before) && Empty(after) || slices.ContainsFunc(c.ignored, func(i []string) bool { return slices.Equal(i, path) }) {
		return
	}
	b, isMap := before.(map[string]any)
	a, areMaps := after.(map[string]any)
	if isMap && (areMaps || after == nil && c.dissects(path)) || areMaps && before == nil && c.dissects(path) {
		c.maps(b, a, path, text)
		return
	}
	bl, isList := before.([]any)
	al, areLists := after.([]any)
	if isList && areLists {
		c.lists(bl, al, path, text)
		return
	}
	if !Same(before, after) {
		c.tell(before, after, path, text)
	}
}

// dissects says whether a map that only one side has is told entry by entry.
func (c *comparison) dissects(path []string) bool {
	return len(path) <= 2 && (path[0] == "metadata" || path[0] == "data" || path[0] == "stringData" || path[0] == "binaryData")
}

func (c *comparison) maps(before, after map[string]any, path []string, text string) {
	names := make(map[string]bool, len(before)+len(after))
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		c.values(before[name], after[name], append(path[:len(path):len(path)], name), join(text, name))
	}
}

func join(text, name string) string {
	t := token(name)
	if text == "" || t[0] == '[' {
		return text + t
	}
	return text + "." + t
}

// lists compares items by what names them, or else by their place.
func (c *comparison) lists(before, after []any, path []string, text string) {
	key := keyOf(before, after)
	if key == "" {
		c.inPlace(before, after, path, text)
		return
	}
	rest := make(map[string]any, len(before))
	for _, item := range before {
		rest[nameBy(item, key)] = item
	}
	for i, item := range after {
		name := nameBy(item, key)
		c.values(rest[name], item, append(path[:len(path):len(path)], strconv.Itoa(i)), text+"["+key+"="+name+"]")
		delete(rest, name)
	}
	for i, item := range before {
		if name := nameBy(item, key); rest[name] != nil {
			c.values(item, nil, append(path[:len(path):len(path)], strconv.Itoa(i)), text+"["+key+"="+name+"]")
		}
	}
}

func (c *comparison) inPlace(before, after []any, path []string, text string) {
	at := func(list []any, i int) any {
		if i < len(list) {
			return list[i]
		}
		return nil
	}
	for i := range max(len(before), len(after)) {
		n := strconv.Itoa(i)
		c.values(at(before, i), at(after, i), append(path[:len(path):len(path)], n), text+"["+n+"]")
	}
}

// keyOf returns the field that names the items of lists, empty if none does.
func keyOf(lists ...[]any) string {
	for _, key := range []string{"name", "containerPort", "port", "mountPath", "key", "ip"} {
		if named(key, lists) {
			return key
		}
	}
	return ""
}

func named(key string, lists [][]any) bool {
	for _, list := range lists {
		seen := make(map[string]bool, len(list))
		for _, item := range list {
			name := nameBy(item, key)
			if name == "" || seen[name] {
				return false
			}
			seen[name] = true
		}
	}
	return true
}

func nameBy(item any, key string) string {
	m, _ := item.(map[string]any)
	switch v := m[key].(type) {
	case string:
		return v
	case int64, float64:
		return fmt.Sprint(v)
	}
	return ""
}

// tell adds a difference, without the values that may not be shown.
func (c *comparison) tell(before, after any, path []string, text string) {
	f := Field{Path: text, Old: before, New: after}
	if c.secret && !showable(path) {
		f = Field{Path: text, Masked: true}
	}
	c.fields = append(c.fields, f)
}

// showable says whether a field of a Secret is one that holds no secret. The
// annotation in which kubectl keeps what it applied is one that does.
func showable(path []string) bool {
	switch {
	case len(path) == 1 && (path[0] == "type" || path[0] == "immutable"):
		return true
	case len(path) == 3 && path[0] == "metadata" && path[1] == "labels":
		return true
	}
	return len(path) == 3 && path[1] == "annotations" && path[2] != "kubectl.kubernetes.io/last-applied-configuration"
}

// Empty says whether a value is as good as none: the API server does not tell nothing,
// an empty map and an empty list apart.
func Empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// Same says whether two values that are not both maps or both lists are equal. A
// number is equal to one of another type that has its value.
func Same(a, b any) bool {
	switch a := a.(type) {
	case string:
		s, ok := b.(string)
		return ok && a == s
	case bool:
		s, ok := b.(bool)
		return ok && a == s
	}
	x, isNumber := number(a)
	y, areNumbers := number(b)
	return isNumber && areNumbers && x == y
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v)
	}
	return 0, false
}
