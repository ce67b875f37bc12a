package apply

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// undeclared is how the API server says that it does not know a field. It has no
// reason or cause for that; the sentence is all there is.
const undeclared = ": field not declared in schema"

// mostCuts bounds how often an object is tried again: the API server names one field
// at a time.
const mostCuts = 32

// cutUndeclared leaves out the fields that err calls undeclared, and says whether
// that is worth another try. The stock controller decodes objects of
// built-in kinds into their types, which drops such fields silently; repositories
// that work there have to work here. People are told, because it is usually a typing
// error.
func (t *trial) cutUndeclared(err error) bool {
	if err == nil || t.cuts == mostCuts || !builtin(t.entry.Group) {
		return false
	}
	found := false
	for _, path := range undeclaredPaths(err.Error()) {
		if elements, ok := parsePath(path); ok && cutPath(t.obj.Object, elements) {
			found = true
			t.warnings = append(t.warnings,
				t.entry.String()+" has a field that "+t.entry.Kind+" does not have, and it was left out: "+path)
		}
	}
	t.cuts++
	return found
}

// undeclaredPaths returns the paths in an error, each once.
func undeclaredPaths(text string) []string {
	var paths []string
	for line := range strings.Lines(text) {
		head, _, ok := strings.Cut(strings.TrimSpace(line), undeclared)
		if !ok {
			continue
		}
		if at := strings.LastIndex(head, ": ."); at >= 0 {
			head = head[at+2:]
		}
		if strings.HasPrefix(head, ".") && !slices.Contains(paths, head) {
			paths = append(paths, head)
		}
	}
	return paths
}

// element is a step of a path: a field, the keys of a list item, or its index.
type element struct {
	field string
	keys  string // as a JSON object, empty if not by keys
	index int    // -1 if not by index
}

// parsePath reads a path such as .spec.containers[name="web"].ports[0].hostPort.
func parsePath(path string) ([]element, bool) {
	var elements []element
	for path != "" {
		switch path[0] {
		case '.':
			end := strings.IndexAny(path[1:], ".[")
			if end < 0 {
				end = len(path) - 1
			}
			if end == 0 {
				return nil, false
			}
			elements = append(elements, element{field: path[1 : 1+end], index: -1})
			path = path[1+end:]
		case '[':
			inner, rest, ok := bracket(path)
			if !ok {
				return nil, false
			}
			e, ok := parseItem(inner)
			if !ok {
				return nil, false
			}
			elements = append(elements, e)
			path = rest
		default:
			return nil, false
		}
	}
	return elements, len(elements) > 0
}

// bracket returns what is between the brackets at the start of path, minding quotes.
func bracket(path string) (inner, rest string, ok bool) {
	quoted := false
	for i := 1; i < len(path); i++ {
		switch {
		case path[i] == '\\' && quoted:
			i++
		case path[i] == '"':
			quoted = !quoted
		case path[i] == ']' && !quoted:
			return path[1:i], path[i+1:], true
		}
	}
	return "", "", false
}

// parseItem reads an index, or keys as name="web",port=80.
func parseItem(inner string) (element, bool) {
	if i, err := strconv.Atoi(inner); err == nil {
		return element{index: i}, true
	}
	var b strings.Builder
	b.WriteByte('{')
	for inner != "" {
		name, value, ok := strings.Cut(inner, "=")
		if !ok || name == "" {
			return element{}, false
		}
		end := strings.IndexByte(value, ',')
		if strings.HasPrefix(value, `"`) {
			quote, err := strconv.QuotedPrefix(value)
			if err != nil {
				return element{}, false
			}
			end = len(quote)
		}
		if end < 0 {
			end = len(value)
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(name) + ":" + value[:end])
		inner = strings.TrimPrefix(value[end:], ",")
	}
	b.WriteByte('}')
	return element{keys: b.String(), index: -1}, json.Valid([]byte(b.String()))
}

// cutPath removes what the path leads to, and says whether it was there.
func cutPath(v any, path []element) bool {
	for i, e := range path {
		if e.field != "" {
			m, _ := v.(map[string]any)
			sub, ok := m[e.field]
			if !ok {
				return false
			}
			if i == len(path)-1 {
				delete(m, e.field)
				return true
			}
			v = sub
			continue
		}
		list, _ := v.([]any)
		at := e.index
		if e.keys != "" {
			at = findItem(list, e.keys)
		}
		if at < 0 || at >= len(list) {
			return false
		}
		v = list[at]
	}
	return false
}
