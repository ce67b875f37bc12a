package decrypt

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// loadDotenv returns the lines of a file.
func loadDotenv(in []byte) (branch, error) {
	var b branch
	var r budget
	for line := range bytes.SplitSeq(in, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		if err := r.take(0); err != nil {
			return nil, err
		}
		if line[0] == '#' {
			b = append(b, item{key: comment{text: string(line[1:])}})
			continue
		}
		key, value, ok := strings.Cut(string(line), "=")
		if !ok {
			return nil, errors.New("a line has no =")
		}
		b = append(b, item{key, strings.ReplaceAll(value, `\n`, "\n")})
	}
	return b, nil
}

// emitDotenv writes a branch without structure, a line for each entry.
func emitDotenv(b branch) ([]byte, error) {
	var out bytes.Buffer
	for _, it := range b {
		if c, ok := it.key.(comment); ok {
			fmt.Fprintf(&out, "#%s\n", c.text)
			continue
		}
		switch it.value.(type) {
		case branch, []any:
			return nil, fmt.Errorf("cannot use complex value in dotenv file; offending key %s", shownPath([]string{fmt.Sprint(it.key)}))
		}
		fmt.Fprintf(&out, "%v=%s\n", it.key, strings.ReplaceAll(leafText(it.value), "\n", `\n`))
	}
	return out.Bytes(), nil
}

// leafText is a leaf in a format that has only text.
func leafText(v any) string {
	switch v := v.(type) {
	case float64:
		return floatText(v)
	case time.Time:
		return v.Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

// cutFlat takes the metadata out of a branch without structure, where each part of it
// is an entry of its own: sops_age__list_0__map_enc.
func cutFlat(b branch) (branch, branch, error) {
	var rest, flat branch
	for _, it := range b {
		if key, ok := it.key.(string); ok && strings.HasPrefix(key, metadataKey+"_") {
			flat = append(flat, item{key[len(metadataKey)+1:], it.value})
		} else {
			rest = append(rest, it)
		}
	}
	if flat == nil {
		return nil, nil, errNoMetadata
	}
	metadata, err := unflatten(flat)
	return rest, metadata, err
}
