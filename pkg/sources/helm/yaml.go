package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	// maxHead is how much may stand beside the entries.
	maxHead = 256 << 10
	// maxEntry is how much one version of a chart may take.
	maxEntry = 1 << 20
)

// yamlScanner reads an index in block YAML as it passes by. Of the entries of
// charts that nobody wants it looks at nothing but where lines begin.
type yamlScanner struct {
	lines *lines
	desk  *desk
	shape shaper

	head    []byte
	entries state
	chart   string // the wanted chart that is open, else ""
	nameCol int    // column of the names of charts; 0 until the first
	itemCol int    // column of the dashes of the open chart; -1 until the first

	item     []byte // the open entry
	keyCol   int    // column of its keys; -1 until the first
	version  []byte // what its version is at a glance
	versions int    // how many such keys it has
	atKey    bool   // the line before was the version
	tooLong  bool
}

// state is how far the entries are read.
type state byte

const (
	before state = iota
	within
	after
)

func scanYAML(r io.Reader, d *desk) error {
	s := &yamlScanner{lines: newLines(r), desk: d, shape: shaper{pending: -1}}
	started := false
	for {
		line, err := s.lines.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if !started {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
			if started = !blank(line) && line[0] != '#'; started && marker(line) && blank(line[3:]) && line[0] == '-' {
				continue
			}
		}
		if err := s.take(line); err != nil {
			return err
		}
	}
	if s.shape.mode == single || s.shape.mode == double || s.shape.mode == flow {
		return fmt.Errorf("%w: it ends within a value", errLayout)
	}
	s.finish()
	return d.format.check(s.head)
}

// take reads one line.
func (s *yamlScanner) take(line []byte) error {
	n, inside, err := s.shape.line(line)
	if err != nil {
		return err
	}
	switch {
	case inside:
	case n.indent == 0 && n.dashes == 0:
		if done, err := s.top(n); done || err != nil {
			return err
		}
	case s.entries == within:
		if err := s.within(n); err != nil {
			return err
		}
	}
	if s.entries != within {
		return s.keepHead(line)
	}
	s.keepItem(n, inside, line)
	return nil
}

// top reads a key of the document. Done says that the line is no part of the head.
func (s *yamlScanner) top(n node) (done bool, err error) {
	if n.key == nil {
		return false, errLayout
	}
	if s.entries == within {
		s.finish()
		s.entries = after
	}
	if string(unquote(n.key)) != "entries" {
		return false, nil
	}
	if s.entries != before {
		return false, fmt.Errorf("%w: it has entries twice", ErrIndex)
	}
	if len(n.value) > 0 {
		s.entries = after
		if v := string(bytes.TrimSpace(n.value)); v != "{}" && v != "null" && v != "~" {
			return false, errLayout
		}
		return false, nil
	}
	s.entries = within
	return true, nil
}

// within reads a line of the entries in which something begins.
func (s *yamlScanner) within(n node) error {
	if s.nameCol == 0 {
		s.nameCol = n.indent
	}
	switch {
	case n.indent < s.nameCol:
		return errLayout
	case n.indent == s.nameCol && n.dashes == 0:
		return s.name(n)
	case s.itemCol < 0:
		if n.dashes == 0 {
			return errLayout
		}
		s.itemCol = n.indent
		s.newItem()
	case n.indent == s.itemCol && n.dashes > 0:
		s.newItem()
	case n.indent <= s.itemCol:
		return errLayout
	}
	return nil
}

// name begins a chart.
func (s *yamlScanner) name(n node) error {
	s.finish()
	if n.key == nil {
		return errLayout
	}
	name, err := resolveKey(n.key)
	if err != nil {
		return err
	}
	s.itemCol = -1
	if !s.desk.wanted(name) {
		if len(n.value) > 0 {
			s.itemCol = s.nameCol // no items may follow
		}
		return nil
	}
	if s.desk.known(string(name)) {
		return fmt.Errorf("%w: it has the chart %q twice", ErrIndex, clip(string(name)))
	}
	s.desk.open(string(name))
	if len(n.value) > 0 {
		if v := string(bytes.TrimSpace(n.value)); v != "[]" && v != "null" && v != "~" {
			return errLayout
		}
		return nil
	}
	s.chart = string(name)
	return nil
}

func (s *yamlScanner) newItem() {
	s.flush()
	s.item, s.keyCol, s.version, s.versions, s.atKey, s.tooLong = s.item[:0], -1, nil, 0, false, false
}

// keepItem keeps a line of a wanted chart.
func (s *yamlScanner) keepItem(n node, inside bool, line []byte) {
	if s.chart == "" || s.itemCol < 0 {
		return
	}
	if len(s.item)+len(line) > maxEntry {
		s.tooLong = true
		return
	}
	if inside {
		if s.atKey && s.shape.mode != closed && !blank(line) {
			s.versions++ // it goes on, so that a glance is not enough
		}
	} else {
		s.glance(n)
	}
	s.item = append(append(s.item, line...), '\n')
}

// glance notes the version, and nil if it takes a parser to tell.
func (s *yamlScanner) glance(n node) {
	s.atKey = false
	if s.keyCol < 0 && n.key != nil && n.dashes <= 1 {
		s.keyCol = n.col
	}
	if n.key == nil || n.col != s.keyCol || !bytes.EqualFold(unquote(n.key), []byte("version")) {
		return
	}
	s.versions++
	s.atKey = true
	s.version = s.version[:0]
	if s.shape.mode == closed || s.shape.mode == plain {
		s.version = append(s.version, scalar(n.value)...)
	}
}

// flush hands the open entry over.
func (s *yamlScanner) flush() {
	if len(s.item) == 0 {
		return
	}
	version := s.version
	if s.versions != 1 || len(version) == 0 {
		version = nil
	}
	if s.tooLong {
		s.desk.spoil(s.desk.choosers[s.chart], fmt.Errorf("%w: an entry of the chart %q has more than %d bytes", ErrEntry, s.chart, maxEntry))
	} else {
		s.desk.item(s.chart, version, s.item)
	}
	s.item = s.item[:0]
}

// finish ends the open chart.
func (s *yamlScanner) finish() {
	s.flush()
	s.chart = ""
}

func (s *yamlScanner) keepHead(line []byte) error {
	if len(s.head)+len(line) > maxHead {
		return fmt.Errorf("%w: more than %d bytes stand beside its entries", ErrIndex, maxHead)
	}
	s.head = append(append(s.head, line...), '\n')
	return nil
}

// scalar returns the text of a value of one line, nil if it has escapes.
func scalar(value []byte) []byte {
	if i := bytes.Index(value, []byte(" #")); i >= 0 {
		value = value[:i]
	}
	value = bytes.TrimRight(value, " \t")
	if len(value) > 0 && (value[0] == '"' || value[0] == '\'') {
		inner := unquote(value)
		if len(inner) == len(value) {
			return nil
		}
		return inner
	}
	return value
}

// unquote takes quotes without escapes off a text.
func unquote(text []byte) []byte {
	if len(text) < 2 || text[0] != '"' && text[0] != '\'' || text[len(text)-1] != text[0] {
		return text
	}
	inner := text[1 : len(text)-1]
	if bytes.IndexByte(inner, text[0]) >= 0 || bytes.IndexByte(inner, '\\') >= 0 {
		return text
	}
	return inner
}

// resolveKey returns the name that a key stands for. Keys that are no plain
// words may be numbers or the like to YAML, whose form is then another.
func resolveKey(key []byte) ([]byte, error) {
	if word(key) {
		return key, nil
	}
	if inner := unquote(key); len(inner) < len(key) {
		return inner, nil
	}
	var m map[string]any
	if err := yaml.Unmarshal(append(bytes.Clone(key), ": 1"...), &m); err != nil || len(m) != 1 {
		return nil, errors.Join(errLayout, err)
	}
	for name := range m {
		return []byte(name), nil
	}
	return nil, errLayout
}

// word says whether a plain key can only be a text.
func word(key []byte) bool {
	if len(key) == 0 || key[0]|0x20 < 'a' || key[0]|0x20 > 'z' {
		return false
	}
	switch len(key) {
	case 1, 2, 3, 4, 5: // y, no, yes, true, false, null and their like
		switch strings.ToLower(string(key)) {
		case "y", "n", "no", "on", "yes", "off", "true", "null", "false":
			return false
		}
	}
	return true
}
