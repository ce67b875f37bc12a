package helm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// jsonScanner reads an index in JSON as it passes by.
type jsonScanner struct {
	r    *bufio.Reader
	desk *desk
	// keep is where what is read is kept, up to limit; nil keeps nothing.
	keep  *[]byte
	limit int
	over  bool
}

func scanJSON(r io.Reader, d *desk) error {
	s := &jsonScanner{r: bufio.NewReaderSize(r, firstBuffer), desk: d}
	head := []byte{'{'}
	entries := false
	err := s.object(func(key string) error {
		if strings.EqualFold(key, "entries") {
			if entries {
				return fmt.Errorf("%w: it has entries twice", errLayout)
			}
			entries = true
			return s.entries()
		}
		value, ok, err := s.value(maxHead - len(head))
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: more than %d bytes stand beside its entries", ErrIndex, maxHead)
		}
		if len(head) > 1 {
			head = append(head, ',')
		}
		name, err := json.Marshal(key)
		head = append(append(append(head, name...), ':'), value...)
		return err
	})
	if err != nil {
		return err
	}
	if c, err := s.peek(); err != io.EOF {
		return fmt.Errorf("%w: %q follows its end (%w)", errLayout, c, err)
	}
	return d.format.check(append(head, '}'))
}

// entries reads the charts.
func (s *jsonScanner) entries() error {
	c, err := s.peek()
	if err != nil {
		return cut(err)
	}
	if c == 'n' {
		return s.skip()
	}
	return s.object(func(name string) error {
		if !s.desk.wanted([]byte(name)) {
			return s.skip()
		}
		s.desk.open(name)
		return s.chart(name)
	})
}

// chart reads the versions of one chart.
func (s *jsonScanner) chart(name string) error {
	c, err := s.peek()
	if err != nil {
		return cut(err)
	}
	if c == 'n' {
		return s.skip()
	}
	return s.list('[', ']', func() error {
		item, ok, err := s.value(maxEntry)
		if err != nil {
			return err
		}
		if !ok {
			s.desk.spoil(s.desk.choosers[name], fmt.Errorf("%w: an entry of the chart %q has more than %d bytes", ErrEntry, name, maxEntry))
			return nil
		}
		if !json.Valid(item) {
			return fmt.Errorf("%w: an entry is no JSON", errLayout)
		}
		s.desk.item(name, jsonVersion(item), item)
		return nil
	})
}

// jsonVersion returns the version of an entry, nil if it has none or several.
func jsonVersion(item []byte) []byte {
	s := &jsonScanner{r: bufio.NewReaderSize(bytes.NewReader(item), 512)}
	var version []byte
	found := 0
	err := s.object(func(key string) error {
		if !strings.EqualFold(key, "version") {
			return s.skip()
		}
		found++
		value, _, err := s.value(len(item))
		if err != nil {
			return err
		}
		var text string
		if json.Unmarshal(value, &text) == nil {
			version = []byte(text)
		}
		return nil
	})
	if err != nil || found != 1 || len(version) == 0 {
		return nil
	}
	return version
}

// object reads an object and calls each with every key, to read the value.
func (s *jsonScanner) object(each func(key string) error) error {
	return s.list('{', '}', func() error {
		raw, ok, err := s.value(64 << 10)
		if err != nil {
			return err
		}
		var key string
		if !ok || json.Unmarshal(raw, &key) != nil || raw[0] != '"' {
			return fmt.Errorf("%w: a key is no text", errLayout)
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		return each(key)
	})
}

// list reads what stands between brackets and calls each to read every item.
func (s *jsonScanner) list(open, end byte, each func() error) error {
	if err := s.expect(open); err != nil {
		return err
	}
	for first := true; ; first = false {
		c, err := s.peek()
		if err != nil {
			return cut(err)
		}
		if c == end {
			return s.expect(end)
		}
		if !first {
			if err := s.expect(','); err != nil {
				return err
			}
		}
		if err := each(); err != nil {
			return err
		}
	}
}

// peek returns the next character that is no white space, without taking it.
func (s *jsonScanner) peek() (byte, error) {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case ' ', '\t', '\n', '\r':
			continue
		}
		return c, s.r.UnreadByte()
	}
}

func (s *jsonScanner) expect(want byte) error {
	c, err := s.peek()
	if err != nil {
		return cut(err)
	}
	if c != want {
		return fmt.Errorf("%w: %q stands where %q should", errLayout, c, want)
	}
	_, err = s.r.ReadByte()
	return err
}

// cut says that a document ended too early.
func cut(err error) error {
	if err == io.EOF {
		return fmt.Errorf("%w: it ends too early", errLayout)
	}
	return err
}

// value reads any value and returns its text, and false if that is longer than
// limit.
func (s *jsonScanner) value(limit int) ([]byte, bool, error) {
	var kept []byte
	s.keep, s.limit, s.over = &kept, limit, false
	err := s.skip()
	s.keep = nil
	return kept, !s.over, err
}

// skip reads any value, however deeply nested.
func (s *jsonScanner) skip() error {
	for depth := 0; ; {
		c, err := s.peek()
		if err != nil {
			return cut(err)
		}
		_, _ = s.r.ReadByte() // was peeked at
		s.note(c)
		switch c {
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ',', ':':
			if depth == 0 {
				return fmt.Errorf("%w: a value is missing", errLayout)
			}
			continue
		case '"':
			err = s.text()
		default:
			err = s.word()
		}
		switch {
		case err != nil:
			return cut(err)
		case depth < 0:
			return fmt.Errorf("%w: a value is missing", errLayout)
		case depth == 0:
			return nil
		}
	}
}

// text reads up to the end of a text.
func (s *jsonScanner) text() error {
	escaped := false
	for {
		piece, err := s.r.ReadSlice('"')
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		s.note(piece...)
		for _, c := range piece[:len(piece)-1] {
			escaped = c == '\\' && !escaped
		}
		last := piece[len(piece)-1]
		if last == '"' && !escaped {
			return nil
		}
		escaped = last == '\\' && !escaped
	}
}

// word reads the rest of a number, true, false or null.
func (s *jsonScanner) word() error {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return err
		}
		switch c {
		case ' ', '\t', '\n', '\r', ',', ':', '}', ']', '{', '[', '"':
			return s.r.UnreadByte()
		}
		s.note(c)
	}
}

func (s *jsonScanner) note(b ...byte) {
	if s.keep == nil {
		return
	}
	if len(*s.keep)+len(b) > s.limit {
		s.over = true
		return
	}
	*s.keep = append(*s.keep, b...)
}
