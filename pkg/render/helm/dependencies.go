package helm

import (
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
)

type dependency = chart.Dependency

// decide leaves out the subcharts of u that values, tags or conditions disable, gives
// the others their aliases, and does the same within them. Path is where the values of u
// are in values, which for a subchart are those of its parent with its own defaults
// among them, at the top. A chart that lists no dependencies decides nothing, and so do
// those below it.
func (m *merger) decide(u *unit, values map[string]any, path string) error {
	if u.meta.Dependencies == nil {
		return nil
	}
	u.subs = listed(u)
	merged, err := m.coalesce(u, values)
	if err != nil {
		return err
	}
	for _, d := range u.meta.Dependencies {
		d.Enabled = true
		m.tags(d, merged)
		m.condition(d, merged, path)
	}
	disabled := make(map[string]bool)
	for _, d := range u.meta.Dependencies {
		if !d.Enabled {
			disabled[d.Name] = true
		}
	}
	u.subs = slices.DeleteFunc(u.subs, func(s *unit) bool { return disabled[s.name()] })
	u.meta.Dependencies = slices.DeleteFunc(u.meta.Dependencies, func(d *dependency) bool { return disabled[d.Name] })
	if len(u.meta.Dependencies) == 0 {
		u.meta.Dependencies = nil // it is as if it had never had any
	}
	for _, s := range u.subs {
		if err := m.decide(s, merged, path+s.name()+"."); err != nil {
			return err
		}
	}
	return nil
}

// listed returns the subcharts of u: those that no dependency names, as they are, and
// then those that dependencies name.
func listed(u *unit) []*unit {
	var subs []*unit
	for _, s := range u.subs {
		if !slices.ContainsFunc(u.meta.Dependencies, s.answers) {
			subs = append(subs, s)
		}
	}
	for _, d := range u.meta.Dependencies {
		if s := again(u.subs, d, u); s != nil {
			subs = append(subs, s)
		}
		if d.Alias != "" {
			d.Name = d.Alias
		}
	}
	return subs
}

// tags disables a dependency if one of its tags is false and none is true.
func (m *merger) tags(d *dependency, values map[string]any) {
	tags, ok := values["tags"].(map[string]any)
	if !ok {
		return
	}
	var on, off bool
	for _, name := range d.Tags {
		value, ok := tags[name]
		if !ok {
			continue
		}
		enabled, isBool := value.(bool)
		if !isBool {
			m.warn("tag '%s' for chart %s returned non-bool value", name, d.Name)
			continue
		}
		on, off = on || enabled, off || !enabled
	}
	d.Enabled = on || !off
}

// condition has the first path that leads to a boolean decide over a dependency.
func (m *merger) condition(d *dependency, values map[string]any, path string) {
	for c := range strings.SplitSeq(strings.TrimSpace(d.Condition), ",") {
		if c == "" {
			continue
		}
		value, ok := lookUp(values, path+c)
		if !ok {
			continue
		}
		if enabled, isBool := value.(bool); isBool {
			d.Enabled = enabled
			return
		}
		m.warn("condition path '%s' for chart %s returned non-bool value", c, d.Name)
	}
}

// lookUp returns what is at a path of keys with dots between them, if it is no map.
func lookUp(values map[string]any, path string) (any, bool) {
	keys := strings.Split(path, ".")
	last := len(keys) - 1
	inner, ok := table(values, keys[:last])
	if !ok {
		return nil, false
	}
	value, ok := inner[keys[last]]
	_, isMap := value.(map[string]any)
	return value, ok && !isMap
}

// table follows keys from map to map.
func table(values map[string]any, keys []string) (map[string]any, bool) {
	for _, key := range keys {
		inner, ok := values[key].(map[string]any)
		if !ok {
			return nil, false
		}
		values = inner
	}
	return values, true
}

// imports has u, and first its subcharts, take over the values that its dependencies
// export. From then on its default values include those of its subcharts.
func (m *merger) imports(u *unit) error {
	for _, s := range u.subs {
		if err := m.imports(s); err != nil {
			return err
		}
	}
	if u.meta.Dependencies == nil {
		return nil
	}
	merged := make(map[string]any)
	if err := m.chart(u, merged, "", true); err != nil {
		return err
	}
	taken := make(map[string]any)
	for _, d := range u.meta.Dependencies {
		d.ImportValues = m.take(d, merged, taken)
	}
	u.values = copyMap(merged)
	m.tables(u.values, taken, "", true)
	return nil
}

// take merges what one dependency exports into taken, and returns the list of it in the
// form in which releases hold it.
func (m *merger) take(d *dependency, values, taken map[string]any) []any {
	var list []any
	for _, item := range d.ImportValues {
		var child, parent string
		switch i := item.(type) {
		case string:
			child, parent = "exports."+i, "."
		case map[string]any:
			child, parent = fmt.Sprint(i["child"]), fmt.Sprint(i["parent"])
		default:
			continue
		}
		list = append(list, map[string]string{"child": child, "parent": parent})
		inner, ok := table(values, strings.Split(d.Name+"."+child, "."))
		if !ok {
			m.warn("import-values: chart %s has no table %s", d.Name, child)
			continue
		}
		if inner = nest(parent, inner); inner != nil {
			m.tables(taken, inner, "", true)
		}
	}
	return list
}

// nest returns a map with inner at a path.
func nest(path string, inner map[string]any) map[string]any {
	if path == "." {
		return inner
	}
	keys := strings.Split(path, ".")
	for _, key := range slices.Backward(keys) {
		inner = map[string]any{key: inner}
	}
	return inner
}
