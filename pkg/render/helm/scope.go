package helm

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"runtime"
	"strings"

	"sigs.k8s.io/yaml"
)

// Values are what templates see as .Values, .Release and the like: a map with the
// methods that charts may call.
type Values map[string]any

// YAML returns the values as YAML.
func (v Values) YAML() (string, error) {
	data, err := yaml.Marshal(v)
	return string(data), err
}

// AsMap returns the values, never nil.
func (v Values) AsMap() map[string]any {
	if len(v) == 0 {
		return map[string]any{}
	}
	return v
}

// Table returns the map at a path of keys with dots between them.
func (v Values) Table(name string) (Values, error) {
	inner, ok := table(v, strings.Split(name, "."))
	if !ok {
		return nil, fmt.Errorf("%q is not a table", name)
	}
	return inner, nil
}

// PathValue returns what is at such a path, if it is no map.
func (v Values) PathValue(name string) (any, error) {
	if name == "" {
		return nil, errors.New("YAML path cannot be empty")
	}
	value, ok := lookUp(v, name)
	if !ok {
		return nil, fmt.Errorf("%q is not a value", name)
	}
	return value, nil
}

// collect puts the templates of u and its subcharts into sources, and returns what those
// of u see: the values of the chart that it is in, under its name, as its own.
func (e *engine) collect(u *unit, sources map[string]source, values map[string]any) map[string]any {
	scopes := make(map[string]any, len(u.subs))
	scope := map[string]any{
		"Chart":        describe(u),
		"Files":        newFiles(u.files.Files),
		"Release":      e.release,
		"Capabilities": e.in.Capabilities.view(),
		"Values":       Values(values),
		"Subcharts":    scopes,
	}
	for _, s := range u.subs {
		inner, ok := table(values, strings.Split(s.name(), "."))
		if !ok {
			inner = make(map[string]any)
		}
		scopes[s.name()] = e.collect(s, sources, inner)
	}
	dir := u.path()
	for _, t := range u.files.Templates {
		if t == nil || u.library() && !strings.HasPrefix(path.Base(t.Name), "_") {
			continue
		}
		sources[path.Join(dir, t.Name)] = source{text: text(t.Data), scope: scope, base: path.Join(dir, "templates")}
	}
	return scope
}

// release returns what templates see as .Release.
func (in *Input) release() map[string]any {
	return map[string]any{
		"Name": in.Name, "Namespace": in.Namespace, "Revision": in.Revision,
		"IsUpgrade": in.Upgrade, "IsInstall": !in.Upgrade, "Service": "Helm",
	}
}

// describe returns the metadata of a chart as templates see it: a map with the names of
// the fields of Go, and maps of that kind in it.
func describe(u *unit) map[string]any {
	out := fields(reflect.ValueOf(u.meta).Elem())
	out["IsRoot"] = u.parent == nil
	return out
}

// fields returns a struct as a map.
func fields(v reflect.Value) map[string]any {
	out := make(map[string]any, v.NumField())
	for i := range v.NumField() {
		out[v.Type().Field(i).Name] = plain(v.Field(i))
	}
	return out
}

// plain returns a field with maps in place of structs.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		return fields(v)
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	}
	return v.Interface()
}

// cluster is what templates see as .Capabilities.
type cluster struct {
	KubeVersion kubeVersion
	APIVersions apiVersions
	HelmVersion helmVersion
}

// kubeVersion is the version of a cluster.
type kubeVersion struct{ Version, Major, Minor string }

// String implements [fmt.Stringer]. It leaves out what a vendor adds.
func (v kubeVersion) String() string { return numbers(v.Version) }

// GitVersion is an older name of Version.
func (v kubeVersion) GitVersion() string { return v.Version }

// apiVersions are those of a cluster.
type apiVersions []string

// Has says whether there is an API version, or a kind of one.
func (a apiVersions) Has(version string) bool {
	for _, v := range a {
		if v == version {
			return true
		}
	}
	return false
}

// helmVersion is the version of Helm that charts are told of: the one whose rules hold
// here, see the comment of the package.
type helmVersion struct {
	Version           string `json:"version,omitempty"`
	GitCommit         string `json:"git_commit,omitempty"`
	GitTreeState      string `json:"git_tree_state,omitempty"`
	GoVersion         string `json:"go_version,omitempty"`
	KubeClientVersion string `json:"kube_client_version"`
}

// view returns the capabilities as templates see them.
func (c Capabilities) view() *cluster {
	version := "v" + strings.TrimPrefix(c.KubeVersion, "v")
	major, minor := c.Major, c.Minor
	if n := strings.SplitN(strings.TrimPrefix(numbers(version), "v"), ".", 3); major == "" && len(n) > 1 {
		major, minor = n[0], n[1]
	}
	return &cluster{
		KubeVersion: kubeVersion{version, major, minor},
		APIVersions: c.APIVersions,
		HelmVersion: helmVersion{Version: "v4.2", GoVersion: runtime.Version(), KubeClientVersion: "v1.37"},
	}
}

// numbers returns a version without what is behind its numbers.
func numbers(version string) string {
	if i := strings.IndexAny(version, "-+"); i >= 0 {
		return version[:i]
	}
	return version
}
