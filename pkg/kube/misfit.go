package kube

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"
)

// misfit returns the path of the field for which an object does not decode, such as
// spec.interval, since the error of a decoder does not always tell. It decodes each
// part of the object alone, from the outside in. Empty means that no field is at
// fault.
func (c codec) misfit(gvk schema.GroupVersionKind, data []byte) string {
	var whole map[string]any
	if json.Unmarshal(data, &whole) != nil {
		return ""
	}
	var path []string
	var value any = whole
	for {
		fields, _ := value.(map[string]any)
		names := slices.Sorted(maps.Keys(fields))
		i := slices.IndexFunc(names, func(name string) bool {
			return !c.fits(gvk, append(slices.Clone(path), name), fields[name])
		})
		if i < 0 {
			return strings.Join(path, ".")
		}
		path, value = append(path, names[i]), fields[names[i]]
	}
}

// fits says whether an object decodes that has only one field.
func (c codec) fits(gvk schema.GroupVersionKind, path []string, value any) bool {
	for _, name := range slices.Backward(path) {
		value = map[string]any{name: value}
	}
	data, err := json.Marshal(value)
	if err != nil {
		return true
	}
	obj, err := c.scheme.New(gvk)
	return err != nil || kjson.UnmarshalCaseSensitivePreserveInts(data, obj) == nil
}
