package kustomize

import (
	"context"
	"fmt"
	"path"

	"github.com/fluxd/fluxd/pkg/render"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
)

// nameless says whether r lacks what every object has.
func nameless(r *resource.Resource) bool {
	return r.GetKind() == "" || r.GetName() == "" || r.GetApiVersion() == ""
}

// check returns the error of objects that lack what every object has, with the file of
// the first one. The build is run once more for that, with the origin of each object.
func (b *Builder) check(ctx context.Context, g *gate, dir string, o Options, m resmap.ResMap) error {
	at := firstNameless(m)
	if at < 0 {
		return nil
	}
	o.BuildMetadata = []string{types.OriginAnnotations}
	if t, err := generate(g.view, dir, o); err == nil {
		if again, err := b.run(ctx, g, t); err == nil && firstNameless(again) == at {
			if file := originOf(again.Resources()[at], dir); file != "" {
				return fmt.Errorf("%w from %s", render.ErrNoObject, file)
			}
		}
	}
	return render.ErrNoObject
}

func firstNameless(m resmap.ResMap) int {
	for i, r := range m.Resources() {
		if nameless(r) {
			return i
		}
	}
	return -1
}

// originOf returns the file of the artifact that r was read from, or the one that had
// it generated.
func originOf(r *resource.Resource, dir string) string {
	origin, err := r.GetOrigin()
	if err != nil || origin == nil || origin.Repo != "" {
		return ""
	}
	file := origin.Path
	if file == "" {
		file = origin.ConfiguredIn
	}
	if file == "" {
		return ""
	}
	return shown(path.Join(dir, file))
}
