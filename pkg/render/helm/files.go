package helm

import (
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gobwas/glob"
)

// files are the files of a chart as templates see them.
type files map[string][]byte

func newFiles(list []*File) files {
	out := make(files, len(list))
	for _, f := range list {
		out[f.Name] = f.Data
	}
	return out
}

// GetBytes returns a file, empty if there is none.
func (f files) GetBytes(name string) []byte {
	if data, ok := f[name]; ok {
		return data
	}
	return []byte{}
}

// Get returns a file as text, empty if there is none.
func (f files) Get(name string) string { return text(f.GetBytes(name)) }

// Glob returns the files whose names match a pattern; all of them if it is none.
func (f files) Glob(pattern string) files {
	match, err := glob.Compile(pattern, '/')
	out := make(files)
	for name, data := range f {
		if err != nil || match.Match(name) {
			out[name] = data
		}
	}
	return out
}

// AsConfig returns the files as the data of a ConfigMap, in YAML.
func (f files) AsConfig() string {
	if f == nil {
		return ""
	}
	data := make(map[string]string, len(f))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		data[path.Base(name)] = text(f[name])
	}
	return toYAML(data)
}

// AsSecrets returns the files as the data of a Secret, in YAML.
func (f files) AsSecrets() string {
	if f == nil {
		return ""
	}
	data := make(map[string]string, len(f))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		data[path.Base(name)] = base64.StdEncoding.EncodeToString(f[name])
	}
	return toYAML(data)
}

// Lines returns the lines of a file.
func (f files) Lines(name string) []string {
	content := f.Get(name)
	if content == "" {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(content, "\n"), "\n")
}
