package release

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"helm.sh/helm/v3/pkg/chart"
)

// ErrCorrupt says that a stored revision cannot be read.
var ErrCorrupt = errors.New("the stored release is corrupt")

// mostText bounds what a stored revision unpacks to: the names of storage namespaces
// are a tenant's, and so is what is in them.
const mostText = 32 << 20

// unpack returns the JSON of a stored revision: base64 of what may be compressed.
func unpack(data []byte) (io.Reader, error) {
	packed := bufio.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(data)))
	var text io.Reader = packed
	if head, _ := packed.Peek(3); string(head) == "\x1f\x8b\x08" {
		z, err := gzip.NewReader(packed)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		text = z
	}
	return &limited{from: text, left: mostText}, nil
}

// limited fails once more than left bytes have been read, and leaves out the white
// space between values: the decoder looks at a long run of it again with every piece
// that it reads.
type limited struct {
	from io.Reader
	left int64

	quoted, escaped bool
}

// Read implements [io.Reader].
func (l *limited) Read(p []byte) (int, error) {
	for {
		n, err := l.from.Read(p)
		if l.left -= int64(n); l.left < 0 {
			return 0, fmt.Errorf("%w: it unpacks to more than %d MiB", ErrCorrupt, mostText>>20)
		}
		if n = l.squeeze(p[:n]); n > 0 || err != nil {
			return n, err
		}
	}
}

// squeeze drops white space outside of texts and returns how much is left of p.
func (l *limited) squeeze(p []byte) int {
	n := 0
	for _, c := range p {
		switch {
		case l.escaped:
			l.escaped = false
		case l.quoted:
			l.escaped = c == '\\'
			l.quoted = c != '"'
		case c == '"':
			l.quoted = true
		case c == ' ', c == '\n', c == '\t', c == '\r':
			continue
		}
		p[n] = c
		n++
	}
	return n
}

// decode reads a stored revision. The files of its chart are skipped as they come.
func decode(data []byte) (*content, error) {
	c := &content{}
	err := walk(data, func(name string, dec *json.Decoder) error {
		switch name {
		case "name":
			return dec.Decode(&c.name)
		case "namespace":
			return dec.Decode(&c.namespace)
		case "version":
			return dec.Decode(&c.version)
		case "info":
			return dec.Decode(&c.info)
		case "chart":
			return each(dec, func(name string, dec *json.Decoder) error {
				if name == "metadata" {
					return dec.Decode(&c.chart)
				}
				return skip(dec)
			})
		case "config":
			return dec.Decode(&c.values)
		case "manifest":
			return dec.Decode(&c.manifest)
		case "hooks":
			return dec.Decode(&c.hooks)
		case "apply_method":
			return dec.Decode(&c.method)
		}
		return skip(dec)
	})
	if err != nil {
		return nil, err
	}
	for _, h := range c.hooks {
		if h == nil {
			return nil, fmt.Errorf("%w: it has a hook that is null", ErrCorrupt)
		}
	}
	return c, nil
}

// decodeChart reads the chart of a stored revision, and the values beside it.
func decodeChart(data []byte) (*Chart, map[string]any, error) {
	ch := &chart.Chart{}
	var values map[string]any
	err := walk(data, func(name string, dec *json.Decoder) error {
		switch name {
		case "chart":
			return dec.Decode(&ch)
		case "config":
			return dec.Decode(&values)
		}
		return skip(dec)
	})
	return ch, values, err
}

// walk calls take for the members of a stored revision, which reads the value.
func walk(data []byte, take func(name string, dec *json.Decoder) error) error {
	text, err := unpack(data)
	if err != nil {
		return err
	}
	err = each(json.NewDecoder(text), take)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// each calls take for the members of the object that comes next; null has none.
func each(dec *json.Decoder, take func(name string, dec *json.Decoder) error) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t == nil {
		return nil
	}
	if t != json.Delim('{') {
		return errors.New("it is not an object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		text, _ := name.(string) // the decoder sees to it
		if err := take(text, dec); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	_, err = dec.Token()
	return err
}

// skip reads the value that comes next.
func skip(dec *json.Decoder) error {
	for depth := 0; ; {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
