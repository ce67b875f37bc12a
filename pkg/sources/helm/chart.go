package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/ignore"
	"sigs.k8s.io/yaml"
)

// Identity is what a chart says that it is.
type Identity struct{ Name, Version string }

// Chart is a chart that is loaded, with its subcharts. It is for one goroutine.
type Chart struct {
	chart     *chart.Chart
	allowance *allowance
	path      string // in the tree, for charts of a folder
}

// Stored returns the chart in the form of Helm. It shares everything with c, which is not
// to be used any more.
func (c *Chart) Stored() *chart.Chart { return c.chart }

// Inspect reads what a packaged chart says that it is, and makes sure that it can be
// unpacked safely and completely. The rest is not parsed.
func Inspect(ctx context.Context, archive []byte, l Limits) (Identity, error) {
	a := newAllowance(ctx, l)
	files, err := unpack(archive, a)
	if err == nil {
		_, err = expand(files, a, 0)
	}
	if err != nil {
		return Identity{}, err
	}
	return identify(func(name string) ([]byte, error) {
		for _, f := range files {
			if f.Name == name {
				return f.Data, nil
			}
		}
		return nil, fs.ErrNotExist
	})
}

// InspectDir reads what the chart in a folder of a tree says that it is.
func InspectDir(tree fs.FS, dir string, l Limits) (Identity, error) {
	limit := l.orDefaults().File
	return identify(func(name string) ([]byte, error) {
		name = path.Join(dir, name)
		if info, err := fs.Stat(tree, name); err != nil || info.Size() > limit {
			return nil, fs.ErrNotExist
		}
		data, err := fs.ReadFile(tree, name)
		return bytes.TrimPrefix(data, utf8BOM), err
	})
}

// identify reads the metadata of a chart: Chart.yaml, and for charts of the first
// version of the API also requirements.yaml, which must parse.
func identify(read func(name string) ([]byte, error)) (Identity, error) {
	data, err := read("Chart.yaml")
	if err != nil {
		return Identity{}, fmt.Errorf("%w: it has no Chart.yaml", ErrChart)
	}
	var m chart.Metadata
	if err := yaml.Unmarshal(data, &m); err != nil {
		return Identity{}, fmt.Errorf("%w: Chart.yaml: %s", ErrChart, clip(err.Error()))
	}
	if m.APIVersion == "" {
		m.APIVersion = chart.APIVersionV1
	}
	if m.APIVersion == chart.APIVersionV1 {
		if data, err := read("requirements.yaml"); err == nil {
			if err := yaml.Unmarshal(data, &m); err != nil {
				return Identity{}, fmt.Errorf("%w: requirements.yaml: %s", ErrChart, clip(err.Error()))
			}
		}
	}
	if err := m.Validate(); err != nil {
		return Identity{}, fmt.Errorf("%w: %s", ErrChart, clip(err.Error()))
	}
	return Identity{m.Name, m.Version}, nil
}

// Load loads a packaged chart.
func Load(ctx context.Context, archive []byte, l Limits) (*Chart, error) {
	a := newAllowance(ctx, l)
	files, err := unpack(archive, a)
	if err != nil {
		return nil, err
	}
	return load(files, a, "")
}

// LoadDir loads the chart in a folder of a tree. Files that its .helmignore names
// are left out.
func LoadDir(ctx context.Context, tree fs.FS, dir string, l Limits) (*Chart, error) {
	a := newAllowance(ctx, l)
	files, err := collect(tree, dir, a)
	if err != nil {
		return nil, err
	}
	return load(files, a, dir)
}

func load(files []*loader.BufferedFile, a *allowance, dir string) (*Chart, error) {
	files, err := expand(files, a, 0)
	if err != nil {
		return nil, err
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrChart, clip(err.Error()))
	}
	return &Chart{chart: c, allowance: a, path: dir}, nil
}

// collect reads the files of a chart in a folder.
func collect(tree fs.FS, dir string, a *allowance) ([]*loader.BufferedFile, error) {
	rules, err := ignored(tree, dir)
	if err != nil {
		return nil, err
	}
	var files []*loader.BufferedFile
	err = fs.WalkDir(tree, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inner := strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")
		if dir == "." {
			inner = name
		}
		if inner == "" || inner == "." {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case rules.Ignore(inner, info) && d.IsDir():
			return fs.SkipDir
		case rules.Ignore(inner, info), d.IsDir():
			return nil
		case !info.Mode().IsRegular():
			return fmt.Errorf("%w: %q is no regular file", ErrChart, inner)
		}
		if err := a.take(inner, info.Size()); err != nil {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		files = append(files, &loader.BufferedFile{Name: inner, Data: bytes.TrimPrefix(data, utf8BOM)})
		return err
	})
	return files, err
}

// ignored returns the rules about files that are no part of the chart in a folder.
func ignored(tree fs.FS, dir string) (*ignore.Rules, error) {
	rules := ignore.Empty()
	data, err := fs.ReadFile(tree, path.Join(dir, ignore.HelmIgnore))
	switch {
	case err == nil:
		if rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			return nil, fmt.Errorf("%w: %s: %s", ErrChart, ignore.HelmIgnore, clip(err.Error()))
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	rules.AddDefaults()
	return rules, nil
}
