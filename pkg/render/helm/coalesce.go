package helm

import (
	"fmt"
	"maps"
	"slices"
)

// globalKey is the table of values that every subchart gets to see.
const globalKey = "global"

// merger merges values by the rules of Helm: those of a chart win over those of its
// subcharts, and those of the user over all of them. It collects warnings.
//
// Merging keeps nulls. Coalescing, which comes last, has a null of the user take away a
// default, and takes nulls out of defaults. What is merged shares maps with what it is
// merged of, and Helm's results depend on which are shared: the globals of a subchart,
// for one, reach those of its parent through that.
type merger struct {
	warnings []string
}

// mostWarnings bounds the warnings about one chart.
const mostWarnings = 20

// warn keeps a warning, if it is new.
func (m *merger) warn(format string, args ...any) {
	text := clip(fmt.Sprintf(format, args...))
	if len(m.warnings) < mostWarnings && !slices.Contains(m.warnings, text) {
		m.warnings = append(m.warnings, text)
	}
}

// coalesce returns the values that the templates of u and its subcharts get to see.
// Values are left as they are.
func (m *merger) coalesce(u *unit, values map[string]any) (map[string]any, error) {
	out := copyMap(values)
	return out, m.chart(u, out, "", false)
}

// chart merges the default values of u and its subcharts into values. Prefix is the path
// of charts above it, for warnings.
func (m *merger) chart(u *unit, values map[string]any, prefix string, keepNulls bool) error {
	prefix = join(prefix, u.name())
	m.defaults(u, values, prefix, keepNulls)
	for _, s := range u.subs {
		if _, ok := values[s.name()]; !ok {
			values[s.name()] = make(map[string]any)
		}
		inner, ok := values[s.name()].(map[string]any)
		if !ok {
			return fmt.Errorf("%w: %s: the values of a subchart have to be a map, not a %T", ErrValues, join(prefix, s.name()), values[s.name()])
		}
		m.globals(inner, values, prefix)
		if err := m.chart(s, inner, prefix, keepNulls); err != nil {
			return err
		}
	}
	return nil
}

// defaults merges the default values of u alone.
func (m *merger) defaults(u *unit, values map[string]any, prefix string, keepNulls bool) {
	for key, def := range copyMap(u.values) {
		value, ok := values[key]
		into, isMap := value.(map[string]any)
		from, defIsMap := def.(map[string]any)
		switch {
		case !ok && def == nil && !keepNulls:
		case !ok:
			if !keepNulls {
				dropNulls(from)
			}
			values[key] = def
		case value == nil && !keepNulls:
			delete(values, key)
		case isMap && defIsMap:
			keep := keepNulls || u.has(key) // the subchart will see to them
			if !keep {
				dropNulls(from)
			}
			m.tables(into, from, join(prefix, key), keep)
		case isMap && def != nil:
			m.warn("skipped value for %s: Not a table.", join(prefix, key))
		}
	}
}

// has says whether u has a subchart of a name.
func (u *unit) has(name string) bool {
	return slices.ContainsFunc(u.subs, func(s *unit) bool { return s.name() == name })
}

// globals merges the globals of a chart into those of one of its subcharts.
func (m *merger) globals(into, from map[string]any, prefix string) {
	target, ok := global(into)
	source, sourceOK := global(from)
	if !ok || !sourceOK {
		m.warn("skipping globals of %s because they are not a table", prefix)
		return
	}
	for key, value := range source {
		inner, isMap := value.(map[string]any)
		old, exists := target[key]
		oldMap, oldIsMap := old.(map[string]any)
		switch {
		case isMap && !exists:
			target[key] = maps.Clone(inner)
		case isMap && !oldIsMap:
			m.warn("cannot merge map onto non-map for %q", join(prefix, key))
		case isMap:
			over := maps.Clone(inner)
			m.tables(over, oldMap, join(prefix, key), true)
			target[key] = over
		case oldIsMap:
			m.warn("key %s is table, skipping", join(prefix, key))
		default:
			target[key] = value
		}
	}
	into[globalKey] = target
}

// global returns the globals among values, and false if they are no map.
func global(values map[string]any) (map[string]any, bool) {
	found, ok := values[globalKey]
	if !ok {
		return make(map[string]any), true
	}
	table, ok := found.(map[string]any)
	return table, ok
}

// tables merges from into a map, whose values win.
func (m *merger) tables(into, from map[string]any, prefix string, keepNulls bool) {
	if into == nil || from == nil {
		return
	}
	set := make(map[string]bool)
	for key, value := range from {
		set[key] = value != nil
	}
	for key, value := range into {
		if value == nil {
			from[key] = nil
		}
	}
	for key, value := range from {
		old, exists := into[key]
		oldMap, oldIsMap := old.(map[string]any)
		inner, isMap := value.(map[string]any)
		switch {
		case exists && old == nil && !keepNulls && set[key]:
			delete(into, key) // a null takes a default away
		case !exists:
			into[key] = value
		case isMap && oldIsMap:
			m.tables(oldMap, inner, join(prefix, key), keepNulls)
		case isMap:
			m.warn("cannot overwrite table with non table for %s", join(prefix, key))
		case oldIsMap && value != nil:
			m.warn("destination for %s is a table, ignoring non-table value", join(prefix, key))
		}
	}
}

// dropNulls takes the keys without a value out of a map and the maps in it.
func dropNulls(values map[string]any) {
	for key, value := range values {
		if value == nil {
			delete(values, key)
		} else if inner, ok := value.(map[string]any); ok {
			dropNulls(inner)
		}
	}
}

func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

// copyMap returns a copy of values that shares nothing. It is never nil.
func copyMap(values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for key, value := range values {
		out[key] = copyValue(value)
	}
	return out
}

func copyValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if v == nil {
			return v
		}
		return copyMap(v)
	case []any:
		if v == nil {
			return v
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = copyValue(v[i])
		}
		return out
	}
	return value
}
