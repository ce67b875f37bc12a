package decrypt

import (
	"fmt"
	"strconv"
	"time"
)

// fields reads metadata of whatever format: those without types have strings only.
type fields map[string]any

func (f fields) text(name string) string {
	switch v := f[name].(type) {
	case string:
		return v
	case time.Time:
		return v.Format(time.RFC3339)
	case int, float64, bool:
		return fmt.Sprint(v)
	}
	return ""
}

func (f fields) number(name string) int {
	n, _ := strconv.Atoi(f.text(name))
	return n
}

func (f fields) flag(name string) bool {
	on, _ := strconv.ParseBool(f.text(name))
	return on
}

func (f fields) time(name string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, f.text(name))
	if err != nil {
		return t, fmt.Errorf("the sops metadata has no valid %s", name)
	}
	return t, nil
}

// list returns the entries of a list of mappings.
func (f fields) list(name string) []fields {
	entries, ok := f[name].([]any)
	if m, one := f[name].(map[string]any); !ok && one {
		entries = []any{m}
	}
	var out []fields
	for _, e := range entries {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// texts returns a mapping of strings.
func (f fields) texts(name string) map[string]string {
	m, _ := f[name].(map[string]any)
	out := make(map[string]string, len(m))
	for key := range m {
		out[key] = fields(m).text(key)
	}
	return out
}
