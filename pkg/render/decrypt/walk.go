package decrypt

import (
	"fmt"
	"time"
)

// leafFunc is called for each leaf and comment, with its path and the comments above
// it and above what it is in. What it returns takes the place of the leaf.
type leafFunc func(v any, path []string, above [][]string) (any, error)

// walk calls f for everything in b, in the order of the file.
func walk(b branch, path []string, above [][]string, f leafFunc) error {
	above = append(above, nil)
	here := &above[len(above)-1]
	for i, it := range b {
		if c, ok := it.key.(comment); ok {
			*here = append(*here, c.text)
			key, err := f(c, path, above)
			if err != nil {
				return err
			}
			switch key := key.(type) {
			case comment:
				b[i].key = key
			case string:
				b[i].key = comment{text: key, inline: c.inline}
			}
			continue
		}
		key, ok := it.key.(string)
		if !ok {
			return fmt.Errorf("a key is not a string, but %T", it.key)
		}
		value, err := walkValue(it.value, append(path[:len(path):len(path)], key), above, f)
		if err != nil {
			return err
		}
		b[i].value = value
		*here = nil
	}
	return nil
}

func walkValue(v any, path []string, above [][]string, f leafFunc) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case branch:
		return v, walk(v, path, above, f)
	case []any:
		return v, walkList(v, path, above, f)
	case string, int, float64, bool, time.Time, comment:
		return f(v, path, above)
	case []byte:
		return f(string(v), path, above)
	}
	return nil, fmt.Errorf("a value of the type %T is not supported", v)
}

func walkList(list []any, path []string, above [][]string, f leafFunc) error {
	above = append(above, nil)
	here := &above[len(above)-1]
	for i, e := range list {
		c, isComment := e.(comment)
		if isComment {
			*here = append(*here, c.text)
		}
		value, err := walkValue(e, path, above, f)
		if err != nil {
			return err
		}
		list[i] = value
		if !isComment {
			*here = nil
		}
	}
	return nil
}
