package helm

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// load loads the chart of an artifact. Whatever a malicious one does, it ends in an
// error.
func load(ctx context.Context, tree fs.FS, limits helm.Limits) (c *Chart, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("%w: %s", ErrChart, clip(fmt.Sprint(r)))
		}
	}()
	form, name, err := find(tree)
	if err != nil {
		return nil, err
	}
	var loaded *helm.Chart
	if form == packaged {
		var archive []byte
		if archive, err = readArchive(ctx, tree, name, limits); err == nil {
			loaded, err = helm.Load(ctx, archive, limits)
		}
	} else {
		loaded, err = helm.LoadDir(ctx, tree, name, limits)
	}
	if err != nil {
		return nil, err
	}
	stored := loaded.Stored()
	c = &Chart{stored: stored, id: identityOf(stored)}
	c.cost = tidy(stored)
	return c, nil
}

func identityOf(c *Stored) Identity {
	return Identity{Name: c.Metadata.Name, Version: c.Metadata.Version, AppVersion: c.Metadata.AppVersion}
}

// form is how a chart lies in its artifact.
type form int

const (
	packaged form = iota // one archive
	unpacked             // a folder
)

// find returns where the chart of a tree is: an archive that is alone there, or else the
// folder with Chart.yaml, which is the root or alone there.
func find(tree fs.FS) (form, string, error) {
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		return 0, "", err
	}
	if len(entries) == 1 && !entries[0].IsDir() && entries[0].Name() != "Chart.yaml" {
		return packaged, entries[0].Name(), nil
	}
	dirs := []string{"."}
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, e.Name())
		}
	}
	for _, dir := range dirs[:min(len(dirs), 2)] {
		if info, err := fs.Stat(tree, path.Join(dir, "Chart.yaml")); err == nil && info.Mode().IsRegular() {
			return unpacked, dir, nil
		}
	}
	return 0, "", fmt.Errorf("%w: there is neither one packaged chart nor a folder with a Chart.yaml in the artifact", ErrChart)
}

// readArchive reads a packaged chart within the limits.
func readArchive(ctx context.Context, tree fs.FS, name string, limits helm.Limits) ([]byte, error) {
	info, err := fs.Stat(tree, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limits.ArchiveBytes() {
		return nil, fmt.Errorf("%w: the archive has more than %d bytes", ErrChart, limits.ArchiveBytes())
	}
	if err := limits.Memory.Grow(ctx, info.Size()); err != nil {
		return nil, err
	}
	return fs.ReadFile(tree, name)
}

// tidy lets go of what renders need not have, brings subcharts into an order that is
// always the same, and returns the bytes that the chart takes.
func tidy(c *Stored) int64 {
	c.Raw = nil // the same bytes a second time, under the names of the archive
	subs := slices.Clone(c.Dependencies())
	slices.SortStableFunc(subs, func(a, b *Stored) int {
		return cmp.Or(strings.Compare(a.Name(), b.Name()), strings.Compare(a.Metadata.Version, b.Metadata.Version))
	})
	c.SetDependencies(subs...)
	cost := int64(1024 + len(c.Schema))
	for _, list := range [][]*File{c.Templates, c.Files} {
		for _, f := range list {
			cost += int64(len(f.Name) + len(f.Data) + 64)
		}
	}
	cost += weight(c.Values)
	for _, sub := range subs {
		cost += tidy(sub)
	}
	return cost
}

// weight is about what values take.
func weight(value any) int64 {
	n := int64(16)
	switch v := value.(type) {
	case string:
		n += int64(len(v))
	case map[string]any:
		for key, item := range v {
			n += int64(len(key)) + 32 + weight(item)
		}
	case []any:
		for _, item := range v {
			n += weight(item)
		}
	}
	return n
}
