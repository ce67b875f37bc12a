package helm

import "bytes"

// mode is what a line of YAML leaves open for the lines after it.
type mode byte

const (
	closed mode = iota
	single      // a text in single quotes
	double      // a text in double quotes
	block       // a text after | or >
	plain       // a text without quotes, which deeper lines continue
	flow        // brackets or braces
)

// shaper follows the structure of block YAML line by line: where nodes begin,
// and which lines are inside a text. It does not decode anything. What it does
// not follow, such as anchors, tags and keys of several lines, is errLayout, so
// that what it does say agrees with any parser.
type shaper struct {
	mode    mode
	col     int // of the parent of the open text: deeper lines belong to it
	pending int // column of a key whose value is yet to come, else -1
	flow    brackets
}

// node is what begins in a line.
type node struct {
	indent int    // column of the first character
	dashes int    // how many list items begin
	col    int    // column after the dashes
	key    []byte // nil if there is none; raw, with its quotes
	value  []byte // after the key, or the whole text
}

// line takes the next line. Inside says that nothing begins in it: it is blank,
// a comment, or goes on with what a line before it began.
func (s *shaper) line(text []byte) (n node, inside bool, err error) {
	if s.mode == single || s.mode == double {
		return n, true, s.quoted(text)
	}
	if oddBreak(text) {
		return n, false, errLayout
	}
	trimmed := bytes.TrimLeft(text, " ")
	indent := len(text) - len(trimmed)
	if len(trimmed) == 0 {
		return n, true, nil
	}
	if s.mode == flow {
		return n, true, s.flowing(trimmed)
	}
	if (s.mode == block || s.mode == plain) && indent > s.col {
		if s.mode == plain && trimmed[0] == '#' {
			s.mode = closed
		}
		return n, true, nil
	}
	s.mode = closed
	switch {
	case trimmed[0] == '#':
		return n, true, nil
	case trimmed[0] == '\t':
		if blank(trimmed) {
			return n, true, nil
		}
		return n, false, errLayout
	case indent == 0 && marker(trimmed):
		return n, false, errLayout
	}
	n, err = s.begin(trimmed, indent)
	return n, false, err
}

// oddBreak says whether a text contains a line break beside the usual ones, by
// which YAML 1.1 begins a new line. Control characters are as suspicious.
func oddBreak(text []byte) bool {
	return bytes.IndexByte(text, '\r') >= 0 || bytes.Contains(text, []byte("\u0085")) ||
		bytes.Contains(text, []byte("\u2028")) || bytes.Contains(text, []byte("\u2029"))
}

// marker says whether a line begins or ends a document.
func marker(line []byte) bool {
	return len(line) >= 3 && (string(line[:3]) == "---" || string(line[:3]) == "...") &&
		(len(line) == 3 || line[3] == ' ' || line[3] == '\t')
}

// begin reads a line in which a node begins.
func (s *shaper) begin(text []byte, indent int) (node, error) {
	n := node{indent: indent, col: indent}
	parent := s.pending
	s.pending = -1
	for len(text) > 0 && text[0] == '-' && (len(text) == 1 || text[1] == ' ') {
		parent = n.col
		n.dashes++
		rest := bytes.TrimLeft(text[1:], " ")
		n.col += len(text) - len(rest)
		text = rest
	}
	if bytes.HasPrefix(text, []byte("-\t")) {
		return n, errLayout
	}
	if len(text) == 0 || text[0] == '#' {
		return n, nil
	}
	key, value, ok := splitKey(text)
	if ok {
		n.key, n.value = key, value
		if len(value) == 0 {
			s.pending = n.col
			return n, nil
		}
		return n, s.value(value, n.col)
	}
	n.value = text
	if parent < 0 || n.dashes == 0 && indent <= parent {
		return n, errLayout
	}
	return n, s.value(text, parent)
}

// splitKey splits a line at the colon behind its key, and says whether there
// is one. The value is empty if only a comment follows.
func splitKey(text []byte) (key, value []byte, ok bool) {
	from := 0
	if q := text[0]; q == '"' || q == '\'' {
		if from = closing(text[1:], q) + 1; from == 0 {
			return nil, nil, false
		}
		from++
		rest := bytes.TrimLeft(text[from:], " ")
		if len(rest) == 0 || rest[0] != ':' {
			return nil, nil, false
		}
		from = len(text) - len(rest)
	} else if indicator(q) {
		return nil, nil, false
	}
	for i := from; i < len(text); i++ {
		next := bytes.IndexByte(text[i:], ':')
		if next < 0 {
			return nil, nil, false
		}
		i += next
		if i+1 < len(text) && text[i+1] != ' ' && text[i+1] != '\t' {
			continue
		}
		if bytes.Contains(text[from:i], []byte(" #")) {
			return nil, nil, false
		}
		value = bytes.TrimLeft(text[i+1:], " ")
		if len(value) > 0 && value[0] == '#' {
			value = nil
		}
		return bytes.TrimRight(text[:i], " "), value, true
	}
	return nil, nil, false
}

// indicator says whether a node that begins so is no plain text.
func indicator(c byte) bool { return bytes.IndexByte([]byte("[]{},&*!|>%@`?"), c) >= 0 }

// value looks at where a value begins and notes what it leaves open. Parent is
// the column that deeper lines continue.
func (s *shaper) value(text []byte, parent int) error {
	s.col = parent
	switch c := text[0]; c {
	case '"', '\'':
		s.mode = double
		if c == '\'' {
			s.mode = single
		}
		return s.quoted(text[1:])
	case '|', '>':
		if len(bytes.TrimLeft(text[1:], "+-0123456789 ")) > 0 {
			return errLayout
		}
		s.mode = block
	case '[', '{':
		s.mode, s.flow = flow, brackets{}
		return s.flowing(text)
	case '\t', ']', '}', ',', '&', '*', '!', '%', '@', '`':
		return errLayout
	default:
		return s.unquoted(text)
	}
	return nil
}

// unquoted looks at a plain text.
func (s *shaper) unquoted(text []byte) error {
	if c := text[0]; (c == '?' || c == ':' || c == '-') && (len(text) == 1 || text[1] == ' ' || text[1] == '\t') {
		return errLayout
	}
	comment := bytes.Index(text, []byte(" #"))
	if i := bytes.Index(text, []byte(": ")); i >= 0 && (comment < 0 || i < comment) {
		return errLayout
	}
	s.mode = plain
	if comment >= 0 {
		s.mode = closed
	}
	return nil
}

// quoted goes on in a quoted text.
func (s *shaper) quoted(text []byte) error {
	q := byte('"')
	if s.mode == single {
		q = '\''
	}
	i := closing(text, q)
	if i < 0 {
		return nil
	}
	s.mode = closed
	return rest(text[i+1:])
}

// rest says whether only a comment follows a complete value.
func rest(text []byte) error {
	trimmed := bytes.TrimLeft(text, " \t")
	if len(trimmed) == 0 || trimmed[0] == '#' && len(trimmed) < len(text) {
		return nil
	}
	return errLayout
}

// closing returns the index of the quote that ends a text, or -1.
func closing(text []byte, q byte) int {
	for i := 0; i < len(text); i++ {
		next := bytes.IndexByte(text[i:], q)
		if q == '\'' {
			if next < 0 {
				return -1
			}
			if i += next; i+1 < len(text) && text[i+1] == q {
				i++
				continue
			}
			return i
		}
		escape := bytes.IndexByte(text[i:], '\\')
		if next >= 0 && (escape < 0 || next < escape) {
			return i + next
		}
		if escape < 0 {
			return -1
		}
		i += escape + 1
	}
	return -1
}

// flowing goes on within brackets.
func (s *shaper) flowing(text []byte) error {
	after, err := s.flow.take(text)
	if err != nil || after < 0 {
		return err
	}
	s.mode = closed
	return rest(text[after:])
}
