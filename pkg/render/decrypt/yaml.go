package decrypt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlIndent is that of the sops program.
const yamlIndent = 4

var errValues = errors.New("a document is not a mapping")

// loadYAML returns the documents of a file.
func loadYAML(in []byte) ([]branch, error) {
	if len(in) > 0 {
		// Only decoding into a map finds keys that are there twice.
		if err := yaml.NewDecoder(bytes.NewReader(in)).Decode(map[string]any{}); err != nil {
			return nil, invalidYAML(err)
		}
	}
	var branches []branch
	r := yamlReader{}
	for decoder := yaml.NewDecoder(bytes.NewReader(in)); ; {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return branches, nil
		}
		if err != nil {
			return nil, invalidYAML(err)
		}
		b, err := r.mapping(branch{}, &document, false, 0)
		if err != nil {
			return nil, err
		}
		branches = append(branches, b)
	}
}

var yamlLine = pattern(`line [0-9]+`)

// invalidYAML is the error of the parser without what it quotes.
func invalidYAML(err error) error {
	if line := yamlLine().FindString(err.Error()); line != "" {
		return fmt.Errorf("it is not valid YAML, see %s", line)
	}
	return errors.New("it is not valid YAML")
}

// yamlReader turns nodes into a tree. Comments become items before or behind the one
// that they belong to.
type yamlReader struct{ budget }

// mapping adds what n has to b. With commented the caller has seen to the comments of
// n itself.
func (r *yamlReader) mapping(b branch, n *yaml.Node, commented bool, depth int) (branch, error) {
	if err := r.take(depth); err != nil {
		return nil, err
	}
	if !commented {
		b = b.remark(n.HeadComment, false).remark(n.LineComment, false)
	}
	var err error
	switch n.Kind {
	case yaml.DocumentNode:
		for _, content := range n.Content {
			if b, err = r.mapping(b, content, false, depth+1); err != nil {
				return nil, err
			}
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if b, err = r.entry(b, n.Content[i], n.Content[i+1], depth); err != nil {
				return nil, err
			}
		}
	case yaml.AliasNode:
		if b, err = r.mapping(b, n.Alias, false, depth+1); err != nil {
			return nil, err
		}
	case yaml.ScalarNode:
		if n.ShortTag() == "!!null" {
			return b, nil // an empty document
		}
		return nil, errValues
	default:
		return nil, errValues
	}
	if !commented {
		b = b.remark(n.FootComment, false)
	}
	return b, nil
}

// entry adds one entry of a mapping.
func (r *yamlReader) entry(b branch, key, value *yaml.Node, depth int) (branch, error) {
	b = b.remark(key.HeadComment, false).remark(key.LineComment, false)
	leaf := value.Kind == yaml.ScalarNode || value.Kind == yaml.AliasNode
	if leaf {
		b = b.remark(value.HeadComment, false).remark(value.LineComment, true)
	}
	v, err := r.value(value, leaf, depth+1)
	if err != nil {
		return nil, err
	}
	b = append(b, item{scalar(key), v})
	if leaf {
		b = b.remark(value.FootComment, false)
	}
	return b.remark(key.FootComment, false), nil
}

func (r *yamlReader) value(n *yaml.Node, commented bool, depth int) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return r.mapping(branch{}, n, commented, depth)
	case yaml.SequenceNode:
		return r.list(n, commented, depth)
	}
	if err := r.take(depth); err != nil {
		return nil, err
	}
	if n.Kind == yaml.AliasNode {
		return r.value(n.Alias, false, depth+1)
	}
	return scalar(n), nil
}

func (r *yamlReader) list(n *yaml.Node, commented bool, depth int) (any, error) {
	if err := r.take(depth); err != nil {
		return nil, err
	}
	var list []any
	if !commented {
		list = remarks(remarks(list, n.HeadComment, false), n.LineComment, false)
	}
	for _, e := range n.Content {
		list = remarks(remarks(list, e.HeadComment, false), e.LineComment, true)
		v, err := r.value(e, true, depth+1)
		if err != nil {
			return nil, err
		}
		list = remarks(append(list, v), e.FootComment, false)
	}
	if !commented {
		list = remarks(list, n.FootComment, false)
	}
	return list, nil
}

// scalar returns the value of a node. One that does not decode is nil.
func scalar(n *yaml.Node) any {
	var v any
	_ = n.Decode(&v)
	return v
}

// remark adds the lines of a comment.
func (b branch) remark(text string, inline bool) branch {
	for _, c := range remarks(nil, text, inline) {
		b = append(b, item{key: c})
	}
	return b
}

func remarks(list []any, text string, inline bool) []any {
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			list = append(list, comment{text: line[1:], inline: inline}) // without the #
		}
	}
	return list
}

// emitYAML writes documents as the sops program does.
func emitYAML(branches []branch) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(yamlIndent)
	for _, b := range branches {
		mapping := &yaml.Node{Kind: yaml.MappingNode}
		fillMapping(mapping, b)
		if err := encoder.Encode(&yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{mapping}}); err != nil {
			return nil, errors.New("the result cannot be written as YAML")
		}
	}
	if err := encoder.Close(); err != nil {
		return nil, errors.New("the result cannot be written as YAML")
	}
	return out.Bytes(), nil
}

func nodeOf(v any) *yaml.Node {
	n := &yaml.Node{}
	switch v := v.(type) {
	case branch:
		n.Kind = yaml.MappingNode
		fillMapping(n, v)
	case []any:
		n.Kind = yaml.SequenceNode
		fillSequence(n, v)
	default:
		_ = n.Encode(v) // leaves always can be
	}
	return n
}

// pending are comments that wait for the node that they belong to.
type pending struct {
	head, inline []string
	begun        bool
}

func (p *pending) add(c comment) {
	if c.inline {
		p.inline = append(p.inline, c.text)
	} else {
		p.head = append(p.head, c.text)
	}
}

// place gives the comments to the next element of parent. Those before the first one
// belong to the parent, since that is how they are found again.
func (p *pending) place(parent, head, inline *yaml.Node) {
	if !p.begun {
		p.begun = true
		prepend(&parent.HeadComment, p.head)
		p.head = nil
	}
	prepend(&head.HeadComment, p.head)
	extend(&inline.LineComment, p.inline)
	p.head, p.inline = nil, nil
}

// rest gives what is left to the last element, or to the parent if there is none.
func (p *pending) rest(parent, last *yaml.Node) {
	left := append(p.head, p.inline...)
	if last == nil {
		prepend(&parent.HeadComment, left)
	} else {
		extend(&last.FootComment, left)
	}
}

func fillMapping(n *yaml.Node, b branch) {
	var p pending
	var last *yaml.Node
	for _, it := range b {
		if c, ok := it.key.(comment); ok {
			p.add(c)
			continue
		}
		key := &yaml.Node{}
		_ = key.Encode(it.key)
		value := nodeOf(it.value)
		p.place(n, key, value)
		n.Content = append(n.Content, key, value)
		last = key
	}
	p.rest(n, last)
}

func fillSequence(n *yaml.Node, list []any) {
	var p pending
	var last *yaml.Node
	for _, e := range list {
		if c, ok := e.(comment); ok {
			p.add(c)
			continue
		}
		last = nodeOf(e)
		p.place(n, last, last)
		n.Content = append(n.Content, last)
	}
	p.rest(n, last)
}

func commentText(lines []string) string { return "#" + strings.Join(lines, "\n#") }

func prepend(to *string, lines []string) {
	switch {
	case len(lines) == 0:
	case *to == "":
		*to = commentText(lines)
	default:
		*to = commentText(lines) + "\n" + *to
	}
}

func extend(to *string, lines []string) {
	switch {
	case len(lines) == 0:
	case *to == "":
		*to = commentText(lines)
	default:
		*to += "\n" + commentText(lines)
	}
}
