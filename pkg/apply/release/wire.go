package release

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	helm "helm.sh/helm/v3/pkg/release"
)

// content is a stored revision, without the files of its chart.
type content struct {
	name, namespace string
	version         int
	info            info
	chart           *chart.Metadata // nil if there is none
	values          map[string]any
	manifest        string
	hooks           []*storedHook
	method          Method
}

// info is what a revision says about itself. What is not known here is kept.
type info struct {
	FirstDeployed, LastDeployed, Deleted time.Time
	Description                          string
	Status                               Status
	Notes                                string
	Resources                            json.RawMessage

	rest map[string]json.RawMessage
}

// UnmarshalJSON implements [json.Unmarshaler]. An empty text is no time: Helm 3 writes
// the one where Helm 4 leaves out the field.
func (i *info) UnmarshalJSON(data []byte) error {
	return open(data, &i.rest, map[string]any{
		"first_deployed": (*moment)(&i.FirstDeployed), "last_deployed": (*moment)(&i.LastDeployed),
		"deleted": (*moment)(&i.Deleted), "description": &i.Description, "status": &i.Status, "notes": &i.Notes,
		"resources": &i.Resources,
	})
}

// fields are the members in the order in which Helm writes them.
func (i *info) fields() members {
	var m members
	m.time("first_deployed", i.FirstDeployed)
	m.time("last_deployed", i.LastDeployed)
	m.time("deleted", i.Deleted)
	m.text("description", i.Description)
	m.text("status", string(i.Status))
	m.text("notes", i.Notes)
	if len(i.Resources) > 0 && string(i.Resources) != "null" && string(i.Resources) != "{}" {
		m.add("resources", i.Resources)
	}
	return m
}

// MarshalJSON implements [json.Marshaler].
func (i *info) MarshalJSON() ([]byte, error) { return i.fields().with(i.rest).encode() }

// storedHook is a hook of a stored revision.
type storedHook struct {
	Name, Kind, Path, Manifest string
	Events                     []helm.HookEvent
	Run                        HookRun
	Weight                     int
	DeletePolicies             []helm.HookDeletePolicy
	LogPolicies                []helm.HookOutputLogPolicy

	rest map[string]json.RawMessage
}

// UnmarshalJSON implements [json.Unmarshaler].
func (h *storedHook) UnmarshalJSON(data []byte) error {
	return open(data, &h.rest, map[string]any{
		"name": &h.Name, "kind": &h.Kind, "path": &h.Path, "manifest": &h.Manifest, "events": &h.Events,
		"last_run": &h.Run, "weight": &h.Weight, "delete_policies": &h.DeletePolicies,
		"output_log_policies": &h.LogPolicies,
	})
}

func (h *storedHook) fields() members {
	var m members
	m.text("name", h.Name)
	m.text("kind", h.Kind)
	m.text("path", h.Path)
	m.text("manifest", h.Manifest)
	if len(h.Events) > 0 {
		m.add("events", h.Events)
	}
	m.add("last_run", h.Run.fields())
	if h.Weight != 0 {
		m.add("weight", h.Weight)
	}
	if len(h.DeletePolicies) > 0 {
		m.add("delete_policies", h.DeletePolicies)
	}
	if len(h.LogPolicies) > 0 {
		m.add("output_log_policies", h.LogPolicies)
	}
	return m
}

// MarshalJSON implements [json.Marshaler].
func (h *storedHook) MarshalJSON() ([]byte, error) { return h.fields().with(h.rest).encode() }

// UnmarshalJSON implements [json.Unmarshaler].
func (r *HookRun) UnmarshalJSON(data []byte) error {
	return open(data, new(map[string]json.RawMessage), map[string]any{
		"started_at": (*moment)(&r.Started), "completed_at": (*moment)(&r.Completed), "phase": &r.Phase,
	})
}

func (r HookRun) fields() members {
	var m members
	m.time("started_at", r.Started)
	m.time("completed_at", r.Completed)
	m.add("phase", r.Phase)
	return m
}

// moment reads a time that may be an empty text.
type moment time.Time

// UnmarshalJSON implements [json.Unmarshaler].
func (m *moment) UnmarshalJSON(data []byte) error {
	if string(data) == `""` {
		return nil
	}
	return json.Unmarshal(data, (*time.Time)(m))
}

// open decodes the members of an object into what known has for them, and the others
// into rest. A member that is null says nothing.
func open(data []byte, rest *map[string]json.RawMessage, known map[string]any) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for name, into := range known {
		value, ok := all[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(value, into); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		delete(all, name)
	}
	*rest = all
	return nil
}

// members are those of an object, in order.
type members []member

type member struct {
	name  string
	value any
}

func (m *members) add(name string, value any) { *m = append(*m, member{name, value}) }

// text adds a text that is not empty.
func (m *members) text(name, value string) {
	if value != "" {
		m.add(name, value)
	}
}

// time adds a time that is not zero.
func (m *members) time(name string, value time.Time) {
	if !value.IsZero() {
		m.add(name, value)
	}
}

// with returns m followed by others, sorted.
func (m members) with(others map[string]json.RawMessage) members {
	for _, name := range slices.Sorted(maps.Keys(others)) {
		m.add(name, others[name])
	}
	return m
}

// MarshalJSON implements [json.Marshaler].
func (m members) MarshalJSON() ([]byte, error) { return m.encode() }

func (m members) encode() ([]byte, error) {
	out := []byte{'{'}
	for i, one := range m {
		if i > 0 {
			out = append(out, ',')
		}
		value, err := json.Marshal(one.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.name, err)
		}
		out = append(append(append(append(out, '"'), one.name...), '"', ':'), value...)
	}
	return append(out, '}'), nil
}

// is says whether a hook is for an event.
func (h *storedHook) is(e helm.HookEvent) bool { return slices.Contains(h.Events, e) }

// storeHooks returns rendered hooks as they are stored.
func storeHooks(hooks []*Hook) []*storedHook {
	stored := make([]*storedHook, len(hooks))
	for i, h := range hooks {
		stored[i] = &storedHook{
			Name: h.Name, Kind: h.Kind, Path: h.Path, Manifest: h.Manifest, Events: h.Events, Weight: h.Weight,
			DeletePolicies: h.DeletePolicies, LogPolicies: h.OutputLogPolicies,
		}
	}
	return stored
}
