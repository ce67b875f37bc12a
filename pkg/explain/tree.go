package explain

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Bounds of a tree.
const (
	mostLevels   = 10
	mostBranches = 3000
	readsAtOnce  = 8
)

// Branch is an object of a tree with what it applied.
type Branch struct {
	Object string
	// Says is how the object does.
	Says     string
	Branches []*Branch
}

// tree is one walk.
type tree struct {
	*Explainer
	left int
}

// Tree returns what an object has applied, as its inventory lists it, and so on for those
// that apply objects themselves. It is an error if the object cannot be read.
func (e *Explainer) Tree(ctx context.Context, ref reconcilers.Ref) (*Branch, error) {
	n := e.single(ctx, ref)
	if n.Object == nil {
		return nil, missing(n)
	}
	t := &tree{e, mostBranches}
	b := &Branch{Object: name(n.Ref)}
	return b, t.grow(ctx, b, n, []reconcilers.Ref{n.Ref})
}

// single reads one object.
func (e *Explainer) single(ctx context.Context, ref reconcilers.Ref) *Node {
	n := &Node{Ref: ref}
	g := gathering{Explainer: e}
	g.read(ctx, n)
	return n
}

// missing is the error of an object of which there is nothing to tell.
func missing(n *Node) error { return fmt.Errorf("%s %s", name(n.Ref), absence(n)) }

// grow fills in a branch. path are the objects above it, itself included.
func (t *tree) grow(ctx context.Context, b *Branch, n *Node, path []reconcilers.Ref) error {
	if n.Object == nil {
		b.Says = absence(n)
		return nil
	}
	b.Says = healthOf(n.Object).String()
	if !ours(n.Ref.GroupKind) {
		return nil
	}
	if r := revisionOf(n.Object); r != "" {
		b.Says = r + ", " + b.Says
	}
	entries := inventoryOf(n.Object)
	if len(entries) == 0 {
		return nil
	}
	if remote, _, _ := unstructured.NestedMap(n.Object.Object, "spec", "kubeConfig"); remote != nil {
		b.Says += fmt.Sprintf(" (%d objects on another cluster are not looked at)", len(entries))
		return nil
	}
	if len(path) > mostLevels {
		b.Says += fmt.Sprintf(" (what it applied is too deep: %d objects)", len(entries))
		return nil
	}
	if len(entries) > t.left {
		b.Says += fmt.Sprintf(" (%d more objects are not looked at)", len(entries)-t.left)
		entries = entries[:t.left]
	}
	t.left -= len(entries)
	nodes := make([]*Node, len(entries))
	for i, e := range entries {
		nodes[i] = &Node{Ref: reconcilers.NewRef(e.GroupKind(), e.Namespace, e.Name)}
	}
	t.readAll(ctx, nodes)
	for _, one := range nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		branch := &Branch{Object: name(one.Ref)}
		b.Branches = append(b.Branches, branch)
		if within(path, one.Ref) {
			branch.Says = "is above: it applies itself"
			continue
		}
		if err := t.grow(ctx, branch, one, append(path[:len(path):len(path)], one.Ref)); err != nil {
			return err
		}
	}
	return nil
}

func within(path []reconcilers.Ref, ref reconcilers.Ref) bool {
	for _, one := range path {
		if one == ref {
			return true
		}
	}
	return false
}

// readAll reads objects, some at a time.
func (t *tree) readAll(ctx context.Context, nodes []*Node) {
	turns := make(chan struct{}, readsAtOnce)
	var reading sync.WaitGroup
	for _, n := range nodes {
		turns <- struct{}{}
		reading.Go(func() {
			defer func() { <-turns }()
			g := gathering{Explainer: t.Explainer}
			g.read(ctx, n)
		})
	}
	reading.Wait()
}

// Text draws the tree.
func (b *Branch) Text(w io.Writer) error {
	var out strings.Builder
	out.WriteString(b.Object + "  " + b.Says + "\n")
	b.draw(&out, "")
	_, err := io.WriteString(w, out.String())
	return err
}

func (b *Branch) draw(out *strings.Builder, indent string) {
	for i, one := range b.Branches {
		corner, below := "├── ", "│   "
		if i == len(b.Branches)-1 {
			corner, below = "└── ", "    "
		}
		out.WriteString(indent + corner + one.Object + "  " + one.Says + "\n")
		one.draw(out, indent+below)
	}
}
