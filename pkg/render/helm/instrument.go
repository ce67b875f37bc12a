package helm

import (
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"
)

// Templates are parsed here and not by package template, so that calls can be added to
// their trees: one at the beginning of every round of a loop, which can then be stopped;
// two around every template, which count how deep templates call each other; and one
// behind everything that is printed or assigned, which measures it. None of them prints
// or changes anything.
const (
	stepFunction  = "fluxd_step"
	enterFunction = "fluxd_enter"
	leaveFunction = "fluxd_leave"
	printFunction = "fluxd_print"
	keepFunction  = "fluxd_keep"
)

// maxBlocks is how deep the blocks of a template may be nested. The parser is recursive.
const maxBlocks = 1000

// builtins are the functions of package template.
var builtins = func() map[string]any {
	names := make(map[string]any)
	for name := range strings.FieldsSeq("and call eq ge gt html index js le len lt ne not or print printf println slice urlquery") {
		names[name] = true
	}
	return names
}()

// parseTemplate parses text under a name and adds what it defines to t.
func parseTemplate(t *template.Template, name, text string, functions template.FuncMap) error {
	if blocksIn(text) > maxBlocks {
		return fmt.Errorf("template: %s: %w: blocks are nested more than %d deep", name, ErrLimit, maxBlocks)
	}
	trees, err := parse.Parse(name, text, "", "", functions, builtins)
	if err != nil {
		return err
	}
	for name, tree := range trees {
		if !parse.IsEmptyTree(tree.Root) { // one that is empty does not replace another one
			instrument(tree, functions)
		}
		if _, err := t.AddParseTree(name, tree); err != nil {
			return err
		}
	}
	return nil
}

// instrument adds the calls to a tree.
func instrument(tree *parse.Tree, functions template.FuncMap) {
	i := &instrumenter{functions: functions}
	i.list(tree.Root, 1)
	weight := max(depthUnit, i.deepest)
	nodes := []parse.Node{i.call(enterFunction, weight)}
	nodes = append(nodes, tree.Root.Nodes...)
	tree.Root.Nodes = append(nodes, i.call(leaveFunction, weight))
}

// instrumenter walks one tree.
type instrumenter struct {
	functions template.FuncMap
	deepest   int
}

// call returns a node that calls one of our functions and prints nothing.
func (i *instrumenter) call(name string, weight int) parse.Node {
	text := "{{if " + name + "}}{{end}}"
	if weight > 0 {
		text = fmt.Sprintf("{{if %s %d}}{{end}}", name, weight)
	}
	return i.parse(text).Nodes[0]
}

// parse parses text of our own.
func (i *instrumenter) parse(text string) *parse.ListNode {
	trees, err := parse.Parse("limits", text, "", "", i.functions, builtins)
	if err != nil {
		panic(err) // it is constant
	}
	return trees["limits"].Root
}

// command returns the end of a pipeline that hands its value to one of our functions.
func (i *instrumenter) command(name string) *parse.CommandNode {
	return i.parse("{{" + name + "}}").Nodes[0].(*parse.ActionNode).Pipe.Cmds[0]
}

func (i *instrumenter) list(list *parse.ListNode, depth int) {
	if list == nil {
		return
	}
	i.deepest = max(i.deepest, depth)
	for _, n := range list.Nodes {
		i.node(n, depth)
	}
}

func (i *instrumenter) node(n parse.Node, depth int) {
	switch n := n.(type) {
	case *parse.ActionNode:
		i.pipe(n.Pipe, depth)
		name := printFunction
		if len(n.Pipe.Decl) > 0 {
			name = keepFunction
		}
		n.Pipe.Cmds = append(n.Pipe.Cmds, i.command(name))
	case *parse.IfNode:
		i.branch(&n.BranchNode, depth)
	case *parse.WithNode:
		i.branch(&n.BranchNode, depth)
	case *parse.RangeNode:
		i.branch(&n.BranchNode, depth)
		n.List.Nodes = append([]parse.Node{i.call(stepFunction, 0)}, n.List.Nodes...)
	case *parse.TemplateNode:
		i.pipe(n.Pipe, depth)
	}
}

func (i *instrumenter) branch(b *parse.BranchNode, depth int) {
	i.pipe(b.Pipe, depth)
	i.list(b.List, depth+1)
	i.list(b.ElseList, depth+1)
}

// pipe measures how deep a pipeline is nested in brackets.
func (i *instrumenter) pipe(p *parse.PipeNode, depth int) {
	if p == nil {
		return
	}
	i.deepest = max(i.deepest, depth)
	for _, c := range p.Cmds {
		for _, arg := range c.Args {
			switch a := arg.(type) {
			case *parse.PipeNode:
				i.pipe(a, depth+1)
			case *parse.ChainNode:
				if inner, ok := a.Node.(*parse.PipeNode); ok {
					i.pipe(inner, depth+1)
				}
			}
		}
	}
}

// blocksIn returns how deep the blocks of a template are nested at most, without parsing
// it. An else that has a condition of its own is one more block to the parser.
func blocksIn(text string) int {
	var open []int // blocks that each end closes
	depth, deepest := 0, 0
	for {
		action, rest, ok := nextAction(text)
		if !ok {
			return deepest
		}
		text = rest
		word, condition := firstWord(action)
		switch word {
		case "if", "range", "with", "block", "define":
			open = append(open, 1)
			depth++
		case "else":
			if condition && len(open) > 0 {
				open[len(open)-1]++
				depth++
			}
		case "end":
			if n := len(open); n > 0 {
				depth -= open[n-1]
				open = open[:n-1]
			}
		}
		deepest = max(deepest, depth)
	}
}

// firstWord returns the letters that an action begins with, and whether more follows.
func firstWord(action string) (word string, more bool) {
	end := strings.IndexFunc(action, func(r rune) bool { return r < 'a' || r > 'z' })
	if end < 0 {
		return action, false
	}
	return action[:end], strings.Trim(action[end:], " \t\r\n-") != ""
}

// nextAction returns what is between the next two pairs of braces, as far as it takes to
// know what it is, and the text behind it.
func nextAction(text string) (action, rest string, ok bool) {
	_, text, ok = strings.Cut(text, "{{")
	if !ok {
		return "", "", false
	}
	text = strings.TrimPrefix(text, "-")
	inner := strings.TrimLeft(text, " \t\r\n")
	if strings.HasPrefix(inner, "/*") {
		_, rest, ok = strings.Cut(inner, "*/")
		return "", rest, ok
	}
	end := actionEnd(inner)
	return inner[:min(end, 64)], inner[end:], true
}

// actionEnd returns where the braces are that end an action. Quoted text may have some.
func actionEnd(text string) int {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'', '`':
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' && c != '`' {
					i++
				}
			}
		case '}':
			if strings.HasPrefix(text[i:], "}}") {
				return i
			}
		}
	}
	return len(text)
}
