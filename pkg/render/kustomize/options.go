package kustomize

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
)

// Options say what to build, and what to change of the kustomization.yaml there.
type Options struct {
	// Path of the folder in the tree. It cannot leave the tree.
	Path string

	// TargetNamespace, NamePrefix and NameSuffix replace the fields of the file
	// unless empty.
	TargetNamespace, NamePrefix, NameSuffix string

	// Patches and Components come after those of the file. A component whose folder
	// does not exist is dropped if IgnoreMissingComponents is set.
	Patches                 []Patch
	Components              []string
	IgnoreMissingComponents bool

	// Images override those of the file by name, as section 2.6 rule 7 says.
	Images []Image

	// BuildMetadata replaces the list of the file unless empty.
	BuildMetadata []string

	// Prepare, unless nil, edits the files of the build before kustomize reads them.
	// dir is the folder that is built, with its kustomization file; root is that of
	// the tree. It is not part of the inputs: what it depends on has to be.
	Prepare func(ctx context.Context, files Files, root, dir string) error `json:"-"`

	// Memory is what the build takes part of, and waits for; nil is without bounds. The
	// caller gives it back.
	Memory *artifacts.Share `json:"-"`
}

// Files are what a build reads, with edits in memory over them. Paths are absolute.
type Files interface {
	ReadFile(path string) ([]byte, error)
	WriteFile(path string, content []byte) error
	Exists(path string) bool
	IsDir(path string) bool
}

// Patch is a strategic merge or JSON 6902 patch and what it is for.
type Patch struct {
	Patch  string
	Target *Target
}

// Target selects what a patch is for; what is empty matches everything.
type Target struct {
	Group, Version, Kind, Namespace, Name string
	AnnotationSelector, LabelSelector     string
}

// Image replaces parts of the image references that carry a name.
type Image struct{ Name, NewName, NewTag, Digest string }

// Inputs digests the options.
func (o Options) Inputs() render.Inputs {
	text, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("encode the options of a build: %v", err)) // there are only strings in them
	}
	return sha256.Sum256(text)
}

// folder returns the path clamped into the tree: "." is its root.
func (o Options) folder() string {
	clean := strings.TrimPrefix(path.Clean("/"+o.Path), "/")
	if clean == "" {
		return "."
	}
	return clean
}

// remotePrefixes are how component paths begin that are not local.
var remotePrefixes = []string{"git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/"}

// localRelative says whether a component path may be used.
func localRelative(p string) bool {
	if path.IsAbs(strings.TrimPrefix(p, "file://")) {
		return false
	}
	for _, prefix := range remotePrefixes {
		if strings.HasPrefix(p, prefix) {
			return false
		}
	}
	return true
}
