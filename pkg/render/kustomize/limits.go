package kustomize

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// Limits bound what a build reads. A zero field means its default.
type Limits struct {
	// File is how many bytes one file may have; 16 MiB.
	File int64
	// Total is how many bytes all files may have that one build reads; 64 MiB.
	Total int64
	// Depth is how deep YAML may be nested; 256.
	Depth int
	// Nodes is how many nodes a YAML file with aliases may have once they are
	// expanded; 500,000.
	Nodes int
	// Memory is how many bytes one build may take by estimate; no bound by default.
	Memory int64
}

func (l Limits) orDefaults() Limits {
	return Limits{
		File: cmp.Or(l.File, 16<<20), Total: cmp.Or(l.Total, 64<<20),
		Depth: cmp.Or(l.Depth, 256), Nodes: cmp.Or(l.Nodes, 500_000), Memory: l.Memory,
	}
}

// check refuses content that is too large, and YAML that expands to too much or is
// nested too deep. What is no YAML is not looked at further: not every file is.
func (l Limits) check(content []byte) error {
	if int64(len(content)) > l.File {
		return fmt.Errorf("%w: the file has more than %d bytes", ErrLimit, l.File)
	}
	if !l.suspicious(content) {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return nil //nolint:nilerr // whoever needs it to be YAML will say so
		}
		w := weigher{limits: l, known: make(map[*yaml.Node]size)}
		if _, err := w.weigh(&document, 0); err != nil {
			return err
		}
	}
}

// suspicious is a cheap test that no YAML passes which could exceed a limit: it
// has both an anchor and an alias, or enough of what opens a level.
func (l Limits) suspicious(content []byte) bool {
	if bytes.IndexByte(content, '&') >= 0 && bytes.IndexByte(content, '*') >= 0 {
		return true
	}
	opened := 0
	for line := range bytes.Lines(content) {
		// Every block level takes a column at least, every flow level a bracket.
		if indent := len(line) - len(bytes.TrimLeft(line, " -?\t:")); indent > l.Depth/2 {
			return true
		}
		opened += bytes.Count(line, []byte("[")) + bytes.Count(line, []byte("{"))
	}
	return opened > l.Depth/2
}

// size is what a node amounts to with its aliases expanded.
type size struct{ nodes, height int }

// weigher measures the nodes of a document as if every alias were a copy.
type weigher struct {
	limits Limits
	known  map[*yaml.Node]size // what anchors name; zero while it is being measured
}

// weigh measures n, which is nested as deep as depth says.
func (w *weigher) weigh(n *yaml.Node, depth int) (size, error) {
	if n.Kind == yaml.AliasNode {
		return w.alias(n.Alias, depth)
	}
	sum := size{nodes: 1}
	if depth > w.limits.Depth {
		return sum, fmt.Errorf("%w: YAML is nested deeper than %d", ErrLimit, w.limits.Depth)
	}
	for _, child := range n.Content {
		part, err := w.weigh(child, depth+1)
		if err != nil {
			return sum, err
		}
		sum.nodes += part.nodes
		sum.height = max(sum.height, part.height+1)
		if sum.nodes > w.limits.Nodes && len(w.known) > 0 {
			return sum, fmt.Errorf("%w: YAML aliases expand to more than %d nodes", ErrLimit, w.limits.Nodes)
		}
	}
	return sum, nil
}

// alias measures what an alias names. One that names what it is part of would
// expand for ever.
func (w *weigher) alias(target *yaml.Node, depth int) (size, error) {
	known, ok := w.known[target]
	switch {
	case ok && known == size{}:
		return known, fmt.Errorf("%w: a YAML alias contains itself", ErrLimit)
	case ok && depth+known.height > w.limits.Depth:
		return known, fmt.Errorf("%w: YAML is nested deeper than %d", ErrLimit, w.limits.Depth)
	case ok:
		return known, nil
	}
	w.known[target] = size{}
	part, err := w.weigh(target, depth)
	w.known[target] = part
	return part, err
}
