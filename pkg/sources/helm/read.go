package helm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// scan reads an index as it passes by and keeps the answers alone. errLayout
// says that it is written in a way that takes a parser, see [parse].
func scan(r io.Reader, wants []Want) (map[Want]answer, error) {
	in := bufio.NewReaderSize(r, 512)
	d := newDesk(wants)
	start, err := in.Peek(256)
	if err != nil && err != io.EOF {
		return nil, err
	}
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\ufeff")), " \t\r\n")
	switch {
	case len(start) == 0 && err == io.EOF:
		return nil, fmt.Errorf("%w: it is empty", ErrIndex)
	case len(start) > 0 && start[0] == '{':
		d.format = jsonFormat
		err = scanJSON(in, d)
	default:
		d.format = yamlFormat
		err = scanYAML(in, d)
	}
	return d.answers(), err
}

// parse reads a whole index at once, whatever its layout. It takes many times
// the size of the index in memory.
func parse(data []byte, wants []Want) (map[Want]answer, error) {
	d := newDesk(wants)
	d.format = yamlFormat
	if json.Valid(data) {
		d.format = jsonFormat
	}
	var index struct {
		head
		Entries map[string][]any `json:"entries"`
	}
	if err := d.format.decode(data, &index); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrIndex, clip(err.Error()))
	}
	if index.APIVersion == "" {
		return nil, fmt.Errorf("%w: it has no apiVersion", ErrIndex)
	}
	for name, versions := range index.Entries {
		if !d.wanted([]byte(name)) {
			continue
		}
		d.open(name)
		for _, v := range versions {
			item, err := d.encode(v)
			if err != nil {
				return nil, err
			}
			d.item(name, nil, item)
		}
	}
	return d.answers(), nil
}

// encode writes one decoded entry again, in the format that the desk decodes.
func (d *desk) encode(v any) ([]byte, error) {
	if d.format.name == jsonFormat.name {
		return json.Marshal(v)
	}
	return yaml.Marshal([]any{v})
}

// roomFactor is how many times its size the memory is that parsing a whole
// index takes.
const roomFactor = 16

// readWhole reads an index that cannot be scanned, if it is small enough.
func readWhole(ctx context.Context, r io.Reader, limit int64, memory *artifacts.Share, wants []Want) (map[Want]answer, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: it is neither JSON nor YAML as Helm writes it, and has more than %d bytes", ErrIndex, limit)
	}
	if err := memory.Grow(ctx, roomFactor*int64(len(data))); err != nil {
		return nil, err
	}
	return parse(data, wants)
}

// isLayout says whether an index has to be read again, at once.
func isLayout(err error) bool { return errors.Is(err, errLayout) }
