package kustomize

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// use is what a kustomization file does with something that it names.
type use uint8

const (
	asBase use = iota // a file, or a folder with a kustomization file
	asFile
)

// reference is something in a kustomization file that lies elsewhere.
type reference struct {
	text string
	use  use
}

// gate guards the way from kustomize to the network: it is shown every kustomization
// file first, replaces what has been fetched by the copies, and refuses the file if
// something has yet to be fetched.
type gate struct {
	view *view
	// copies are the paths in the view of what has been fetched.
	copies map[reference]string
	// pending is what has to be fetched before the build can go on.
	pending []reference
	// customSchema is called before kustomize reads a file that may bring a schema.
	customSchema func()
}

// markers are what a kustomization file has in it if it has a remote reference: the
// beginnings that kustomize takes for one, and what could hide one from this test.
var markers = [][]byte{[]byte("://"), []byte("@"), []byte("github.com"), []byte(`\`), []byte("!")}

func suspicious(content []byte) bool {
	lower := bytes.ToLower(content)
	for _, m := range markers {
		if bytes.Contains(lower, m) {
			return true
		}
	}
	return false
}

// inspect returns what kustomize gets to see of the kustomization file at p.
func (g *gate) inspect(p string, content []byte) ([]byte, error) {
	if _, local := below(p, root); local && !suspicious(content) && !special(content) {
		return content, nil
	}
	var k types.Kustomization
	if err := k.Unmarshal(content); err != nil {
		return content, nil //nolint:nilerr // kustomize will say so itself, and read nothing
	}
	if len(k.OpenAPI) > 0 {
		g.customSchema()
	}
	if len(k.Generators)+len(k.Transformers)+len(k.Validators) > 0 && !sealed() {
		return nil, fmt.Errorf("%s: %w", shown(p), ErrUnsealed)
	}
	f := &file{gate: g, path: p}
	f.visit(&k)
	switch {
	case f.err != nil:
		return nil, f.err
	case len(f.missing) > 0:
		g.pending = append(g.pending, f.missing...)
		return nil, fmt.Errorf("%s: remote references have yet to be fetched", shown(p))
	case !f.changed:
		return content, nil
	}
	return yaml.Marshal(k)
}

// special says whether a file may bring a schema, or entries that are configurations:
// those can name files that nobody sees before kustomize loads them.
func special(content []byte) bool {
	for _, field := range []string{"openapi", "generators", "transformers", "validators"} {
		if bytes.Contains(content, []byte(field)) {
			return true
		}
	}
	return false
}

// sealed says whether the process has taken the network away from those files.
func sealed() bool {
	_, ok := http.DefaultTransport.(NoNetwork)
	return ok
}

// file is one kustomization file that is inspected.
type file struct {
	*gate
	path    string
	missing []reference
	changed bool
	err     error
}

// visit looks at everything in k that names something elsewhere.
func (f *file) visit(k *types.Kustomization) {
	//lint:ignore SA1019 bases are deprecated and still in use
	bases := k.Bases
	for _, list := range [][]string{k.Resources, k.Components, bases, k.Generators, k.Transformers, k.Validators} {
		f.each(list, asBase)
	}
	for _, list := range [][]string{k.Crds, k.Configurations} {
		f.each(list, asFile)
	}
	if p, ok := k.OpenAPI["path"]; ok {
		f.look(&p, asFile)
		k.OpenAPI["path"] = p
	}
	//lint:ignore SA1019 these are deprecated and still in use
	jsonPatches, merges := k.PatchesJson6902, k.PatchesStrategicMerge
	for _, patches := range [][]types.Patch{k.Patches, jsonPatches} {
		for i := range patches {
			f.look(&patches[i].Path, asFile)
		}
	}
	for i := range merges {
		f.look((*string)(&merges[i]), asFile)
	}
	for i := range k.Replacements {
		f.look(&k.Replacements[i].Path, asFile)
	}
	for i := range k.ConfigMapGenerator {
		f.pairs(&k.ConfigMapGenerator[i].KvPairSources)
	}
	for i := range k.SecretGenerator {
		f.pairs(&k.SecretGenerator[i].KvPairSources)
	}
}

func (f *file) each(list []string, u use) {
	for i := range list {
		f.look(&list[i], u)
	}
}

// pairs looks at the sources of a generator, which are files or key=file.
func (f *file) pairs(s *types.KvPairSources) {
	f.look(&s.EnvSource, asFile)
	f.each(s.EnvSources, asFile)
	for i, source := range s.FileSources {
		key, name, named := strings.Cut(source, "=")
		if !named {
			key, name = path.Base(source), source
		}
		before := name
		if f.look(&name, asFile); name != before {
			s.FileSources[i] = key + "=" + name
		}
	}
}

// look replaces *text if it is remote and has been fetched.
func (f *file) look(text *string, u use) {
	if *text == "" || f.err != nil {
		return
	}
	remote := isURL(*text)
	if u == asBase && !remote && looksLikeRepository(*text) {
		var local bool
		if local, remote = f.local(text); local {
			return
		}
	}
	if !remote {
		f.err = f.contained(*text)
		return
	}
	r := reference{*text, u}
	target, ok := f.copies[r]
	if !ok {
		f.missing = append(f.missing, r)
		return
	}
	relative, err := filepath.Rel(path.Dir(f.path), target)
	if err != nil {
		f.err = fmt.Errorf("refer to %s: %w", target, err)
		return
	}
	*text, f.changed = relative, true
}

// local handles a name that kustomize would take for a repository although there is
// something of that name: a file is used as it is, a folder is named so that it is
// taken for one.
func (f *file) local(text *string) (local, remote bool) {
	p := path.Join(path.Dir(f.path), *text)
	switch {
	case f.view.isFile(p):
		return true, false
	case f.view.IsDir(p):
		*text, f.changed = "./"+*text, true
		return true, false
	}
	return false, true
}

// contained refuses a path in a fetched repository that leads out of it. The artifact
// itself is contained by the view.
func (f *file) contained(text string) error {
	for base := range f.view.repositories {
		if _, ok := below(f.path, base); !ok {
			continue
		}
		p := text
		if !path.IsAbs(p) {
			p = path.Join(path.Dir(f.path), p)
		}
		if strings.ContainsAny(text, "\n") {
			return nil // an inline patch or configuration
		}
		if _, ok := below(p, base); !ok {
			return escape("read", p, base)
		}
	}
	return nil
}

// isURL says whether kustomize would load text over HTTP.
func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// looksLikeRepository says whether kustomize might take text for a Git repository. It
// may say so of something that kustomize would not, never the other way round.
func looksLikeRepository(text string) bool {
	lower := strings.TrimPrefix(strings.ToLower(text), "git::")
	for _, prefix := range []string{"ssh://", "https://", "http://", "file://", "github.com/", "github.com:"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	name, _, ok := strings.Cut(lower, "@")
	return ok && !strings.ContainsAny(name, "/\n ")
}
