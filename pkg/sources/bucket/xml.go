package bucket

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxNesting bounds how deep elements lie in each other.
	maxNesting = 16
	// maxTag bounds a start tag with its attributes, in bytes.
	maxTag = 16 << 10
)

// ReadXML reads a document whose root has the given name, and calls a function of want
// for each element of its name below the root, at any depth. The function may decode
// the element; those that nobody wants are passed over.
//
// What a document can take of memory is bounded by what the functions keep and not by
// its size: a few bytes of it can otherwise make for many more.
func ReadXML(r io.Reader, root string, want map[string]func(decode func(into any) error) error) error {
	d := xml.NewTokenDecoder(&shallow{raw: xml.NewDecoder(&shortTags{r: r})})
	inside := false
	for {
		token, err := d.Token()
		if err != nil {
			return malformed(err)
		}
		switch t := token.(type) {
		case xml.EndElement: // only of what nobody wants, and of the root
			if t.Name.Local == root {
				return nil
			}
		case xml.StartElement:
			if !inside && t.Name.Local != root {
				return fmt.Errorf("%w: it has the element %q instead of %q", ErrProtocol, Clean(t.Name.Local), root)
			}
			f := want[t.Name.Local]
			if !inside || f == nil {
				inside = true
				continue
			}
			if err := f(func(into any) error { return malformed(d.DecodeElement(into, &t)) }); err != nil {
				return err
			}
		}
	}
}

// malformed takes an error of the decoder for what it is.
func malformed(err error) error {
	switch {
	case err == nil || errors.Is(err, ErrTooLarge):
		return err
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: it is no XML of the kind: %w", ErrProtocol, err)
}

// shallow gives the tokens of a document and refuses to go deep.
type shallow struct {
	raw   *xml.Decoder
	depth int
}

// Token implements [xml.TokenReader].
func (s *shallow) Token() (xml.Token, error) {
	token, err := s.raw.RawToken()
	switch token.(type) {
	case xml.StartElement:
		s.depth++
	case xml.EndElement:
		s.depth--
	}
	if s.depth > maxNesting {
		return nil, fmt.Errorf("%w: the elements of the answer are nested deeper than %d", ErrTooLarge, maxNesting)
	}
	return token, err
}

// shortTags reads on and refuses long start tags.
type shortTags struct {
	r io.Reader
	// tag is how long the start tag has been so far, zero outside of one.
	tag   int
	quote byte // that was opened, or zero
}

// Read implements [io.Reader].
func (s *shortTags) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	for _, c := range p[:n] {
		s.step(c)
		if s.tag > maxTag {
			return 0, fmt.Errorf("%w: a tag of the answer has more than %d bytes", ErrTooLarge, maxTag)
		}
	}
	return n, err
}

func (s *shortTags) step(c byte) {
	switch {
	case s.tag == 0:
		if c == '<' {
			s.tag = 1
		}
		return
	case s.tag == 1 && strings.IndexByte("!?/'\"<>", c) >= 0: // no start tag
		s.tag = 0
		return
	case s.quote != 0:
		if c == s.quote {
			s.quote = 0
		}
	case c == '"' || c == '\'':
		s.quote = c
	case c == '>':
		s.tag = 0
		return
	}
	s.tag++
}
