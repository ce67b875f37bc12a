package helm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
)

// ValuesFilesAnnotation is the annotation of a HelmRelease that lists [ValuesFiles].
const ValuesFilesAnnotation = "fluxd.io/values-files"

// maxValuesFiles and maxValuesFile bound what an annotation leads to.
const (
	maxValuesFiles = 32
	maxValuesFile  = 5 << 20
)

// ValuesFiles are values from files, as the annotation lists them in YAML:
//
//	fluxd.io/values-files: |
//	  decryption:
//	    provider: sops
//	    secretRef: {name: sops-keys}
//	  files:
//	  - path: values/edge.yaml              # a file of the chart
//	  - sourceRef: {kind: GitRepository, name: fleet}
//	    path: clusters/edge-7/web.enc.yaml  # a file of that artifact
//	    optional: true
//
// Files are merged in this order, over the default values of the chart and below those
// of spec.valuesFrom and spec.values. Decryption is as that of a Kustomization; files
// that are not encrypted are read as they are.
type ValuesFiles struct {
	Decryption *v1.Decryption `json:"decryption,omitempty"`
	Files      []ValuesFile   `json:"files"`
}

// ValuesFile is one of them.
type ValuesFile struct {
	// SourceRef names the source whose artifact has the file; nil is the chart.
	SourceRef *v1.CrossNamespaceSourceReference `json:"sourceRef,omitempty"`
	// Path of the file in the artifact, or in the chart.
	Path string `json:"path"`
	// Optional skips a file that does not exist.
	Optional bool `json:"optional,omitempty"`
}

// ParseValuesFiles reads the annotation. Errors wrap [ErrValues].
func ParseValuesFiles(annotation string) (ValuesFiles, error) {
	var v ValuesFiles
	if err := yaml.UnmarshalStrict([]byte(annotation), &v); err != nil {
		return v, fmt.Errorf("%w: %s", ErrValues, clip(err.Error()))
	}
	if len(v.Files) > maxValuesFiles {
		return v, fmt.Errorf("%w: %d files are more than %d", ErrValues, len(v.Files), maxValuesFiles)
	}
	for i, f := range v.Files {
		clean := path.Clean(f.Path)
		switch {
		case f.Path == "" || clean == ".":
			return v, fmt.Errorf("%w: files[%d].path: required", ErrValues, i)
		case path.IsAbs(f.Path) || clean == ".." || strings.HasPrefix(clean, "../"):
			return v, fmt.Errorf("%w: files[%d].path: %q leads out of the artifact", ErrValues, i, clip(f.Path))
		}
		v.Files[i].Path = clean
	}
	return v, nil
}

// Decrypter makes plain text of a file that is encrypted. One that is not stays as it is.
type Decrypter interface {
	File(ctx context.Context, name string, content []byte) ([]byte, error)
}

// OpenSource returns the artifact of a source.
type OpenSource func(ctx context.Context, ref v1.CrossNamespaceSourceReference) (fs.FS, error)

// Read returns the merged values of the files. Decrypt may be nil, and then nothing is
// decrypted. Errors of open are returned as they are; others wrap [ErrValues].
func (v ValuesFiles) Read(ctx context.Context, c *Chart, open OpenSource, decrypt Decrypter) (map[string]any, error) {
	var merged map[string]any
	for i, f := range v.Files {
		content, err := f.content(ctx, c, open)
		switch {
		case errors.Is(err, fs.ErrNotExist) && f.Optional:
			continue
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%w: files[%d]: %s: no such file", ErrValues, i, clip(f.Path))
		case err != nil:
			return nil, err
		}
		if decrypt != nil {
			if content, err = decrypt.File(ctx, f.Path, content); err != nil {
				return nil, fmt.Errorf("%w: files[%d]: %s: %w", ErrValues, i, clip(f.Path), err)
			}
		}
		var parsed map[string]any
		if err := yaml.Unmarshal(content, &parsed); err != nil {
			return nil, fmt.Errorf("%w: files[%d]: %s: not a map in YAML", ErrValues, i, clip(f.Path)) // the error may quote a secret
		}
		merged = merge(merged, parsed)
	}
	return merged, nil
}

// content returns the bytes of a file.
func (f ValuesFile) content(ctx context.Context, c *Chart, open OpenSource) ([]byte, error) {
	if f.SourceRef == nil {
		return c.file(f.Path)
	}
	tree, err := open(ctx, *f.SourceRef)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(tree, f.Path)
	switch {
	case err != nil:
		return nil, err
	case info.Size() > maxValuesFile:
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrValues, clip(f.Path), maxValuesFile)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is no regular file", ErrValues, clip(f.Path))
	}
	return fs.ReadFile(tree, f.Path)
}

// file returns a file of the chart that is neither a template nor metadata.
func (c *Chart) file(name string) ([]byte, error) {
	i := slices.IndexFunc(c.stored.Files, func(f *File) bool { return f.Name == name })
	if i < 0 {
		return nil, fs.ErrNotExist
	}
	return c.stored.Files[i].Data, nil
}
