package helm

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"
)

// valuesFile holds the default values of a chart.
const valuesFile = "values.yaml"

// ErrValues says that the values files of a chart cannot be merged.
var ErrValues = errors.New("unusable values file")

// Values are the files that are merged into the default values of a chart.
type Values struct {
	Files         []string
	IgnoreMissing bool
}

// Trivial says whether the files come to what the chart has already.
func (v Values) Trivial() bool {
	return len(v.Files) == 0 || len(v.Files) == 1 && path.Clean(v.Files[0]) == valuesFile
}

// MergeValues replaces the default values of the chart by the merged files, which
// are those of tree, or without one those of the chart itself. Later files win;
// lists are replaced. It returns the files that were merged.
func (c *Chart) MergeValues(tree fs.FS, v Values) ([]string, error) {
	if v.Trivial() {
		return nil, nil
	}
	read := c.file
	if tree != nil {
		read = func(name string) ([]byte, error) { return readConfined(tree, name) }
	}
	merged, used := map[string]any{}, []string{}
	for _, name := range v.Files {
		data, err := read(name)
		if v.IgnoreMissing && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w: no values file found at path '%s'", ErrValues, clip(name))
		}
		values := map[string]any{}
		if err := yaml.Unmarshal(data, &values); err != nil {
			return nil, fmt.Errorf("%w: unmarshaling values from '%s' failed: %s", ErrValues, clip(name), clip(err.Error()))
		}
		merged = merge(merged, values)
		used = append(used, name)
	}
	return used, c.replaceValues(merged)
}

// file returns a file of the chart that is neither a template nor metadata.
func (c *Chart) file(name string) ([]byte, error) {
	name = path.Clean(name)
	if name == valuesFile {
		for _, f := range c.chart.Raw {
			if f.Name == valuesFile {
				return f.Data, nil
			}
		}
		return nil, nil
	}
	for _, f := range c.chart.Files {
		if f.Name == name {
			return f.Data, nil
		}
	}
	return nil, fs.ErrNotExist
}

// readConfined reads a regular file of a tree, which no path leads out of.
func readConfined(tree fs.FS, name string) ([]byte, error) {
	name = Confined(name)
	info, err := fs.Stat(tree, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fs.ErrInvalid
	}
	return fs.ReadFile(tree, name)
}

// Confined returns a path within a tree; what would lead out ends at the root.
func Confined(elements ...string) string {
	name := path.Join(append([]string{"/"}, elements...)...)
	if name == "/" {
		return "."
	}
	return name[1:]
}

// merge returns a with the values of b, which win.
func merge(a, b map[string]any) map[string]any {
	for key, value := range b {
		inner, isMap := value.(map[string]any)
		if before, wasMap := a[key].(map[string]any); isMap && wasMap {
			value = merge(before, inner)
		}
		a[key] = value
	}
	return a
}

// replaceValues replaces the default values, which there have to be.
func (c *Chart) replaceValues(values map[string]any) error {
	var data []byte
	if len(values) > 0 {
		var err error
		if data, err = yaml.Marshal(values); err != nil {
			return fmt.Errorf("%w: %s", ErrValues, clip(err.Error()))
		}
	}
	for _, f := range c.chart.Raw {
		if f.Name == valuesFile {
			f.Data, c.chart.Values = data, values
			return nil
		}
	}
	return fmt.Errorf("%w: failed to locate values file: %s", ErrValues, valuesFile)
}

// ErrVersion says that a version is none.
var ErrVersion = errors.New("invalid version")

// WithMetadata returns a version with the given build metadata in place of its own.
func WithMetadata(version, metadata string) (string, error) {
	v, err := semver.NewVersion(version)
	if err != nil {
		return "", fmt.Errorf("%w: failed to parse version from chart metadata as SemVer: %w", ErrVersion, err)
	}
	set, err := v.SetMetadata(metadata)
	if err != nil {
		return "", fmt.Errorf("%w: failed to set SemVer metadata on chart version: %w", ErrVersion, err)
	}
	return set.String(), nil
}

// WithoutMetadata returns a version without its build metadata.
func WithoutMetadata(version string) string {
	version, _, _ = strings.Cut(version, "+")
	return version
}
