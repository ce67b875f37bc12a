package helm

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"path"
	"slices"

	"helm.sh/helm/v3/pkg/chart"
	"sigs.k8s.io/yaml"
)

// SetVersion changes the version of the chart.
func (c *Chart) SetVersion(version string) { c.chart.Metadata.Version = version }

// Pack returns the chart as an archive. It is what Helm would write, but in a
// fixed order and without times: the same chart has the same bytes, and after a
// restart the same digest.
func (c *Chart) Pack() ([]byte, error) {
	if err := c.chart.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrChart, clip(err.Error()))
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Comment = "Helm"
	p := &packer{tar: tar.NewWriter(z)}
	p.chart(c.chart, "")
	if p.err == nil {
		p.err = cmp.Or(p.tar.Close(), z.Close())
	}
	if p.err != nil {
		return nil, fmt.Errorf("package the chart %s: %w", c.chart.Name(), p.err)
	}
	if limit := c.allowance.limits.Archive; int64(out.Len()) > limit {
		return nil, fmt.Errorf("%w: the package has more than %d bytes", ErrTooLarge, limit)
	}
	return out.Bytes(), nil
}

// packer writes an archive until something fails.
type packer struct {
	tar *tar.Writer
	err error
}

func (p *packer) chart(c *chart.Chart, prefix string) {
	base := path.Join(prefix, c.Name())
	p.metadata(c, base)
	for _, f := range c.Raw {
		if f.Name == valuesFile {
			p.file(base, valuesFile, f.Data)
		}
	}
	if c.Schema != nil {
		if !json.Valid(c.Schema) {
			p.fail(fmt.Errorf("%w: values.schema.json is no JSON", ErrChart))
		}
		p.file(base, "values.schema.json", c.Schema)
	}
	for _, list := range [][]*chart.File{c.Templates, c.Files} {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b *chart.File) int { return cmp.Compare(a.Name, b.Name) })
		for _, f := range list {
			p.file(base, f.Name, f.Data)
		}
	}
	subcharts := slices.Clone(c.Dependencies())
	slices.SortStableFunc(subcharts, func(a, b *chart.Chart) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.Metadata.Version, b.Metadata.Version))
	})
	for _, sub := range subcharts {
		p.chart(sub, path.Join(base, "charts"))
	}
}

// metadata writes Chart.yaml and Chart.lock. Charts of the first version of the API
// have their dependencies in files of their own.
func (p *packer) metadata(c *chart.Chart, base string) {
	m := *c.Metadata
	if m.APIVersion == chart.APIVersionV1 {
		m.Dependencies = nil
	}
	p.yaml(base, "Chart.yaml", &m)
	if m.APIVersion == chart.APIVersionV2 && c.Lock != nil {
		p.yaml(base, "Chart.lock", c.Lock)
	}
}

func (p *packer) yaml(base, name string, value any) {
	data, err := yaml.Marshal(value)
	p.fail(err)
	p.file(base, name, data)
}

func (p *packer) file(base, name string, data []byte) {
	if p.err != nil {
		return
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path.Join(base, name), Mode: 0o644, Size: int64(len(data))}
	if p.err = p.tar.WriteHeader(header); p.err == nil {
		_, p.err = p.tar.Write(data)
	}
}

func (p *packer) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}
