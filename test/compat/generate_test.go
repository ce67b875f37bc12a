package compat

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
	"sigs.k8s.io/controller-tools/pkg/genall"
	"sigs.k8s.io/controller-tools/pkg/loader"
	"sigs.k8s.io/yaml"
)

// crdDir holds what is shipped.
const crdDir = "../../deploy/crds"

// definitions are CRD manifests by the name of their file.
type definitions map[string][]byte

// published generates the definitions of the published modules.
var published = sync.OnceValues(func() (definitions, error) {
	return generate(
		"github.com/fluxcd/source-controller/api/v1",
		"github.com/fluxcd/kustomize-controller/api/v1",
		"github.com/fluxcd/helm-controller/api/v2",
	)
})

// ours generates the definitions of our types, as `make generate` does.
var ours = sync.OnceValues(func() (definitions, error) {
	return generate("github.com/fluxd/fluxd/pkg/api/...")
})

func generate(packages ...string) (definitions, error) {
	omit := true
	var gen genall.Generator = crd.Generator{OmitToolVersion: &omit}
	gens := genall.Generators{&gen}
	runtime, err := gens.ForRoots(packages...)
	if err != nil {
		return nil, err
	}
	out := make(definitions)
	runtime.OutputRules = genall.OutputRules{Default: out}
	var log bytes.Buffer
	runtime.ErrorWriter = &log
	if runtime.Run() {
		return nil, &generateError{log.String()}
	}
	return out, nil
}

type generateError struct{ log string }

func (e *generateError) Error() string { return "generate: " + e.log }

// Open implements [genall.OutputRule].
func (d definitions) Open(_ *loader.Package, path string) (io.WriteCloser, error) {
	return &file{name: path, in: d}, nil
}

// file becomes part of its definitions when it is closed.
type file struct {
	bytes.Buffer
	name string
	in   definitions
}

func (f *file) Close() error {
	f.in[f.name] = f.Bytes()
	return nil
}

// shipped reads the definitions in deploy/crds.
func shipped(t *testing.T) definitions {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(crdDir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	out := make(definitions)
	for _, path := range paths {
		name := filepath.Base(path)
		if name == "kustomization.yaml" {
			continue
		}
		if out[name], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func must(t *testing.T, f func() (definitions, error)) definitions {
	t.Helper()
	d, err := f()
	if err != nil {
		t.Fatal(err)
	}
	if len(d) == 0 {
		t.Fatal("nothing was generated")
	}
	return d
}

// tree decodes a manifest as maps and slices, so that nothing can be overlooked.
func tree(t *testing.T, manifest []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal(manifest, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func definition(t *testing.T, manifest []byte) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	var out apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(manifest, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// kind shortens the name of a file for the name of a test.
func kind(file string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(file, ".yaml"), "_")
	return name
}
