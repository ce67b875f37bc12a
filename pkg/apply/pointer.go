package apply

import (
	"strconv"
	"strings"
)

// pointers is a set of JSON pointers as a tree. A nil tree has none.
type pointers struct {
	leaf bool
	next map[string]*pointers
}

// add puts a JSON pointer into the set; the empty one is the whole object. What is
// no pointer is left out: a rule that matches nothing is no error (section 2.10).
func (p *pointers) add(pointer string) {
	if pointer == "" {
		p.leaf = true
		return
	}
	rest, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return
	}
	for _, token := range strings.Split(rest, "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		if p.next == nil {
			p.next = map[string]*pointers{}
		}
		if p.next[token] == nil {
			p.next[token] = &pointers{}
		}
		p = p.next[token]
	}
	p.leaf = true
}

// whole says that the set covers everything.
func (p *pointers) whole() bool { return p != nil && p.leaf }

// at returns the pointers below name, and whether name itself is one.
func (p *pointers) at(name string) (*pointers, bool) {
	if p == nil || p.next == nil {
		return nil, false
	}
	sub := p.next[name]
	return sub, sub != nil && sub.leaf
}

// index is [pointers.at] for a list item.
func (p *pointers) index(i int) (*pointers, bool) {
	if p == nil || p.next == nil {
		return nil, false
	}
	return p.at(strconv.Itoa(i))
}
