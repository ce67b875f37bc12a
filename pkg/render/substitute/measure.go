package substitute

import (
	"fmt"
	"strings"

	"github.com/fluxcd/pkg/envsubst/parse"
)

// measure returns the most bytes that a node can amount to, and spends the work of
// evaluating it. It fails where either is out of bounds, before anything is evaluated:
// replacing every letter of one large value by another is the product of both.
func (r *replacer) measure(n parse.Node) (int, error) {
	switch n := n.(type) {
	case *parse.TextNode:
		return len(n.Value), r.spend(len(n.Value))
	case *parse.ListNode:
		return r.measureAll(n.Nodes)
	case *parse.FuncNode:
		return r.measureFunc(n)
	}
	return 0, nil
}

func (r *replacer) measureAll(nodes []parse.Node) (int, error) {
	sum := 0
	for _, n := range nodes {
		size, err := r.measure(n)
		if err != nil {
			return 0, err
		}
		sum += size
	}
	return sum, nil
}

func (r *replacer) measureFunc(n *parse.FuncNode) (int, error) {
	sizes := make([]int, len(n.Args))
	for i, arg := range n.Args {
		var err error
		if sizes[i], err = r.measure(arg); err != nil {
			return 0, err
		}
	}
	value := r.values[n.Param]
	size, work := sizeOf(n, value, sizes), len(value)
	if len(n.Args) > 0 && strings.Trim(n.Name, "#%") == "" && n.Name != "" {
		work = trimWork(n.Args[0], len(value), sizes[0])
	}
	if size > maxText {
		return 0, fmt.Errorf("%w: an expression can amount to more than %d bytes", ErrLimit, maxText)
	}
	return size, r.spend(size + work)
}

// sizeOf is the most that a function of value can amount to; sizes are those of its
// arguments.
func sizeOf(n *parse.FuncNode, value string, sizes []int) int {
	all := 0
	for _, size := range sizes {
		all += size
	}
	switch n.Name {
	case "//":
		with := 0
		if len(sizes) > 1 {
			with = sizes[1]
		}
		return len(value) + occurrences(n.Args[0], value)*with
	case "/", "/#", "/%":
		return len(value) + all
	case "^", "^^", ",", ",,":
		return 3 * len(value) // a letter may have more bytes in its other case
	case "#":
		return len(value) + 20
	}
	return max(len(value), all)
}

// occurrences is the most often that what pattern amounts to is in value.
func occurrences(pattern parse.Node, value string) int {
	if text, ok := pattern.(*parse.TextNode); ok {
		return strings.Count(value, text.Value)
	}
	return len(value) + 1
}

// trimWork is what it takes to match a pattern against every beginning of a value.
func trimWork(pattern parse.Node, value, size int) int {
	if text, ok := pattern.(*parse.TextNode); ok && !strings.Contains(text.Value, "*") {
		return value * (size + 1)
	}
	return min(value*value/8, maxWork) * (size + 1)
}
