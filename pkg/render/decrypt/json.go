package decrypt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

var errJSON = errors.New("it is not a valid JSON object")

// loadJSON returns the object that a file is. What follows it is not looked at.
func loadJSON(in []byte) (branch, error) {
	decoder := json.NewDecoder(bytes.NewReader(in))
	decoder.UseNumber()
	r := jsonReader{decoder: decoder}
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errJSON
	}
	return r.object(0)
}

type jsonReader struct {
	budget
	decoder *json.Decoder
}

func (r *jsonReader) token() (json.Token, error) {
	token, err := r.decoder.Token()
	if err != nil && !errors.Is(err, io.EOF) || token == nil && err != nil {
		return nil, errJSON
	}
	return token, nil
}

// object reads what follows an opening brace.
func (r *jsonReader) object(depth int) (branch, error) {
	if err := r.take(depth); err != nil {
		return nil, err
	}
	var b branch
	for {
		token, err := r.token()
		if err != nil {
			return nil, err
		}
		if token == json.Delim('}') {
			return b, nil
		}
		key, ok := token.(string)
		if !ok {
			return nil, errJSON
		}
		if token, err = r.token(); err != nil {
			return nil, err
		}
		v, err := r.value(token, depth+1)
		if err != nil {
			return nil, err
		}
		b = append(b, item{key, v})
	}
}

// list reads what follows an opening bracket.
func (r *jsonReader) list(depth int) ([]any, error) {
	if err := r.take(depth); err != nil {
		return nil, err
	}
	var list []any
	for {
		token, err := r.token()
		switch {
		case err != nil:
			return nil, err
		case token == json.Delim(']'):
			return list, nil
		}
		v, err := r.value(token, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
}

// value returns the value that begins with a token.
func (r *jsonReader) value(token json.Token, depth int) (any, error) {
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(depth)
		}
		return r.list(depth)
	case json.Number:
		if err := r.take(depth); err != nil {
			return nil, err
		}
		if n, err := t.Int64(); err == nil {
			return int(n), nil
		}
		f, err := t.Float64()
		if err != nil {
			return nil, errJSON
		}
		return f, nil
	}
	return token, r.take(depth)
}

// emitJSON writes a branch as the sops program does: one entry a line, behind tabs.
func emitJSON(b branch) ([]byte, error) {
	compact, err := compactJSON(b)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "\t"); err != nil {
		return nil, errors.New("the result cannot be written as JSON")
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// compactJSON writes a value on one line. Comments have no place in it.
func compactJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	if err := writeJSON(&out, v); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeJSON(out *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case branch:
		return writeObject(out, v)
	case []any:
		return writeList(out, v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return errors.New("the result cannot be written as JSON")
	}
	out.Write(text)
	return nil
}

func writeObject(out *bytes.Buffer, b branch) error {
	separator := byte('{')
	for _, it := range b {
		key, ok := it.key.(string)
		if !ok {
			continue
		}
		out.WriteByte(separator)
		separator = ','
		if err := writeJSON(out, key); err != nil {
			return err
		}
		out.WriteByte(':')
		if err := writeJSON(out, it.value); err != nil {
			return err
		}
	}
	if separator == '{' {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return nil
}

func writeList(out *bytes.Buffer, list []any) error {
	separator := byte('[')
	for _, e := range list {
		if _, ok := e.(comment); ok {
			continue
		}
		out.WriteByte(separator)
		separator = ','
		if err := writeJSON(out, e); err != nil {
			return err
		}
	}
	if separator == '[' {
		out.WriteByte('[')
	}
	out.WriteByte(']')
	return nil
}

// emitBinary returns the one value of a file that is not structured.
func emitBinary(branches []branch) ([]byte, error) {
	if len(branches) != 1 {
		return nil, errBinary
	}
	for _, it := range branches[0] {
		if it.key == "data" {
			if text, ok := it.value.(string); ok {
				return []byte(text), nil
			}
		}
	}
	return nil, errBinary
}

var errBinary = errors.New("error emitting binary store: there is no text under the key data")
