package decrypt

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The separators of names that stand for a path.
const (
	mapSeparator  = "__map_"
	listSeparator = "__list_"
)

var errFlat = errors.New("the sops metadata contradicts itself")

// twig is a node under construction: a leaf, or a mapping, or a list, whose indexes
// are names until all are known.
type twig struct {
	leaf   any
	isLeaf bool
	list   bool
	subs   map[string]*twig
}

// unflatten gives flat metadata its structure back.
func unflatten(flat branch) (branch, error) {
	root := &twig{}
	for _, it := range flat {
		key, ok := it.key.(string)
		if !ok {
			continue
		}
		if err := root.place(key, it.value); err != nil {
			return nil, err
		}
	}
	v, err := root.value()
	if err != nil {
		return nil, err
	}
	b, ok := v.(branch)
	if !ok {
		return nil, errMetadata
	}
	return b, nil
}

// place puts a leaf where its name says.
func (t *twig) place(name string, leaf any) error {
	list := false
	for depth := 0; ; depth++ {
		part, rest, separator := nextPart(name)
		if t.isLeaf || t.subs != nil && t.list != list || depth > maxDepth {
			return errFlat
		}
		if t.subs == nil {
			t.subs, t.list = make(map[string]*twig), list
		}
		sub := t.subs[part]
		if sub == nil {
			sub = &twig{}
			t.subs[part] = sub
		}
		t = sub
		if separator == "" {
			break
		}
		name, list = rest, separator == listSeparator
	}
	if t.isLeaf || t.subs != nil {
		return errFlat
	}
	t.leaf, t.isLeaf = leaf, true
	return nil
}

// nextPart cuts a name at its first separator.
func nextPart(name string) (part, rest, separator string) {
	part = name
	for _, s := range []string{mapSeparator, listSeparator} {
		if before, after, ok := strings.Cut(name, s); ok && len(before) < len(part) {
			part, rest, separator = before, after, s
		}
	}
	return part, rest, separator
}

func (t *twig) value() (any, error) {
	switch {
	case t.isLeaf:
		return t.leaf, nil
	case t.list:
		return t.elements()
	}
	var b branch
	for _, name := range slices.Sorted(maps.Keys(t.subs)) {
		v, err := t.subs[name].value()
		if err != nil {
			return nil, err
		}
		b = append(b, item{name, v})
	}
	return b, nil
}

// elements returns a list, which must be complete.
func (t *twig) elements() (any, error) {
	list := make([]any, len(t.subs))
	for i := range list {
		sub, ok := t.subs[strconv.Itoa(i)]
		if !ok {
			return nil, errFlat
		}
		var err error
		if list[i], err = sub.value(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// floatText writes a number so that it is not taken for an integer.
func floatText(f float64) string {
	text := strconv.FormatFloat(f, 'G', -1, 64)
	if !strings.ContainsAny(text, ".E") {
		text = strconv.FormatFloat(f, 'f', 1, 64)
	}
	return text
}
