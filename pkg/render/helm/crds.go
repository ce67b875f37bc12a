package helm

import (
	"fmt"
	"iter"
	"path"
	"strings"

	"sigs.k8s.io/yaml"

	kjson "k8s.io/apimachinery/pkg/util/json"
)

// CRD is an object in one of the crds folders of a chart.
type CRD struct {
	// File is where it comes from, as in web/charts/db/crds/a.yaml.
	File string
	// Object is the decoded object, which the caller owns. It carries the labels of
	// the owner, unless it is Foreign.
	Object map[string]any
	// Foreign says that it is no CustomResourceDefinition: it is listed in the
	// inventory, not applied.
	Foreign bool
}

// CRDs yields the objects in the crds folders of the chart and of those of its subcharts
// that the values enable, one after the other: no two of them need to be in memory at
// once. It ends with the first error.
func CRDs(in Input) iter.Seq2[CRD, error] {
	return func(yield func(CRD, error) bool) {
		u, _, err := prepare(&in)
		if err != nil {
			yield(CRD{}, err)
			return
		}
		u.crds(&in.PostRender, yield)
	}
}

// crds yields those of u and its subcharts. It returns false when nobody wants more.
func (u *unit) crds(p *PostRender, yield func(CRD, error) bool) bool {
	for _, f := range u.files.Files {
		if !isCRDFile(f.Name) {
			continue
		}
		name := path.Join(u.path(), f.Name)
		for _, document := range documents(text(f.Data)) {
			objects, err := decodeCRDs(document)
			if err != nil {
				yield(CRD{}, fmt.Errorf("%w: YAML parse error on %s: %s", ErrManifest, name, clip(err.Error())))
				return false
			}
			for _, fields := range objects {
				o := object{name, fields}
				foreign := fields["kind"] != "CustomResourceDefinition"
				if !foreign {
					err = o.set("labels", p.ownerLabels())
				}
				if !yield(CRD{name, fields, foreign}, err) || err != nil {
					return false
				}
			}
		}
	}
	for _, s := range u.subs {
		if !s.crds(p, yield) {
			return false
		}
	}
	return true
}

// isCRDFile says whether a file of a chart holds definitions.
func isCRDFile(name string) bool {
	if !strings.HasPrefix(name, "crds/") {
		return false
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// decodeCRDs returns the objects of one document, by the rules of Helm.
func decodeCRDs(document string) ([]map[string]any, error) {
	data, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := kjson.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	return flatten(fields), nil
}
