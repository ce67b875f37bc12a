package helm

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decode reads a document as kustomize does, which is by the newer rules of YAML: an
// unquoted yes is a text. What looks like a date is one as well. Keys are text; none may
// be there twice. The result is as if decoded from JSON, but with integers.
func decode(document string, mostNodes int) (map[string]any, error) {
	decoder := yaml.NewDecoder(strings.NewReader(document))
	var node yaml.Node
	if err := decoder.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	d := nodeDecoder{left: mostNodes}
	value, err := d.value(&node, 0)
	if err != nil || value == nil {
		return nil, err
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("line %d: not a map", node.Line)
	}
	return fields, nil
}

// nodeDecoder decodes one document. Aliases count each time.
type nodeDecoder struct{ left int }

func (d *nodeDecoder) value(n *yaml.Node, depth int) (any, error) {
	if d.left--; d.left < 0 {
		return nil, fmt.Errorf("%w: it has too many parts", ErrLimit)
	}
	if depth > maxNesting {
		return nil, fmt.Errorf("%w: it is nested more than %d deep", ErrLimit, maxNesting)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return d.value(n.Content[0], depth)
	case yaml.AliasNode:
		return d.value(n.Alias, depth+1)
	case yaml.MappingNode:
		return d.mapping(n, depth)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			value, err := d.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	}
	return scalar(n)
}

// scalar returns a single value.
func scalar(n *yaml.Node) (any, error) {
	var value any
	if err := n.Decode(&value); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case time.Time:
		return n.Value, nil
	case int:
		return int64(v), nil
	}
	return value, nil
}

func (d *nodeDecoder) mapping(n *yaml.Node, depth int) (map[string]any, error) {
	out := make(map[string]any, len(n.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, item := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" {
			merged = append(merged, item)
			continue
		}
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key is no text", key.Line)
		}
		if _, twice := out[key.Value]; twice {
			return nil, fmt.Errorf("line %d: mapping key %q already defined", key.Line, key.Value)
		}
		value, err := d.value(item, depth+1)
		if err != nil {
			return nil, err
		}
		out[key.Value] = value
	}
	for _, item := range merged {
		if err := d.merge(out, item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// merge adds the keys of other maps that are not there yet.
func (d *nodeDecoder) merge(out map[string]any, n *yaml.Node, depth int) error {
	value, err := d.value(n, depth)
	if err != nil {
		return err
	}
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	for _, item := range list {
		inner, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("line %d: map merge requires map or sequence of maps as the value", n.Line)
		}
		for key, value := range inner {
			if _, exists := out[key]; !exists {
				out[key] = value
			}
		}
	}
	return nil
}
