package helm

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
)

// decodeAll yields the objects of files in the order of the files, which it removes.
// Lists are taken apart, and no object may be there twice. It ends with the first error.
func decodeAll(files rendered, limits Limits) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		known := make(map[string]string)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			text := files[name]
			delete(files, name)
			if strings.HasPrefix(path.Base(name), "_") {
				continue
			}
			for _, document := range documents(text) {
				if !decodeDocument(name, document, limits, known, yield) {
					return
				}
			}
		}
	}
}

// decodeDocument yields the objects of one document. It returns false when nobody wants
// more.
func decodeDocument(name, document string, limits Limits, known map[string]string, yield func(object, error) bool) bool {
	fields, err := decode(document, limits.orDefaults().Nodes)
	if err != nil {
		yield(object{}, &told{kindOf(err), fmt.Sprintf("YAML parse error on %s: %s", name, clip(err.Error()))})
		return false
	}
	for _, item := range flatten(fields) {
		o := object{name, item}
		err := o.check(known)
		if !yield(o, err) || err != nil {
			return false
		}
	}
	return true
}

// collect returns all objects.
func collect(objects iter.Seq2[object, error]) ([]object, error) {
	var list []object
	for o, err := range objects {
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// fromList yields the objects of a list.
func fromList(list []object) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		for _, o := range list {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// kindOf returns which kind of error an error of decode is.
func kindOf(err error) error {
	if errors.Is(err, ErrLimit) {
		return ErrLimit
	}
	return ErrManifest
}

// flatten returns the objects of a document: those of a list, or itself. A document with
// nothing in it has none.
func flatten(fields map[string]any) []map[string]any {
	if len(fields) == 0 {
		return nil
	}
	kind, _ := fields["kind"].(string)
	items, isList := fields["items"].([]any)
	if !isList || !strings.HasSuffix(kind, "List") {
		return []map[string]any{fields}
	}
	var out []map[string]any
	for _, item := range items {
		if inner, ok := item.(map[string]any); ok {
			out = append(out, flatten(inner)...)
		}
	}
	return out
}

// check refuses what is no object, or is there already under a key of known, which holds
// the files of those that are.
func (o *object) check(known map[string]string) error {
	version, _ := o.fields["apiVersion"].(string)
	kind, _ := o.fields["kind"].(string)
	metadata, _ := o.fields["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	namespace, _ := metadata["namespace"].(string)
	switch {
	case version == "":
		return fmt.Errorf("%w: %s: apiVersion is missing in an object", ErrManifest, o.path)
	case kind == "":
		return fmt.Errorf("%w: %s: kind is missing in an object", ErrManifest, o.path)
	case name == "" && metadata["generateName"] != nil:
		return nil
	case name == "":
		return fmt.Errorf("%w: %s: metadata.name is missing in a %s", ErrManifest, o.path, kind)
	}
	key := strings.Join([]string{version, kind, cmp.Or(namespace, "default"), name}, "\x00")
	if other, twice := known[key]; twice {
		return fmt.Errorf("%w: %s: %s %s is in %s already; post-renderers need objects that are there once", ErrManifest, o.path, kind, name, other)
	}
	known[key] = o.path
	return nil
}
