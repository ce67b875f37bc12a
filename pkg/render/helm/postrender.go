package helm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml/goyaml.v2"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
	kjson "k8s.io/apimachinery/pkg/util/json"
)

// object is a document of a template, decoded.
type object struct {
	path   string
	fields map[string]any
}

// idle says whether manifests stay as they are.
func (p *PostRender) idle() bool {
	return p.OwnerName == "" && p.Common == nil && len(p.builds()) == 0
}

// builds returns the renderers that do something.
func (p *PostRender) builds() []*v2.Kustomize {
	var out []*v2.Kustomize
	for _, r := range p.Renderers {
		if r.Kustomize != nil {
			out = append(out, r.Kustomize)
		}
	}
	return out
}

// postRender returns what templates yield as the post-renderers leave it.
func (r *Renderer) postRender(ctx context.Context, p *PostRender, files rendered, limits Limits) (rendered, error) {
	if p.idle() {
		return files, nil
	}
	switch p.Strategy {
	case v2.PostRenderCombined, "":
		return r.change(ctx, p, files, limits)
	case v2.PostRenderSeparate, v2.PostRenderNoHooks:
	default:
		return nil, fmt.Errorf("%w: unknown post-render strategy: '%s'", ErrPostRender, p.Strategy)
	}
	s, err := split(files, func(string, ...any) {})
	if err != nil {
		return nil, err
	}
	hooks, manifests := make(rendered), make(rendered)
	for _, h := range s.hooks {
		hooks.add(h.Path, h.Manifest)
	}
	for _, m := range s.manifests {
		manifests.add(m.path, m.text)
	}
	if p.Strategy == v2.PostRenderSeparate {
		if hooks, err = r.change(ctx, p, hooks, limits); err != nil {
			return nil, fmt.Errorf("hooks: %w", err)
		}
	}
	if manifests, err = r.change(ctx, p, manifests, limits); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(manifests)) {
		hooks.add(path, manifests[path])
	}
	return hooks, nil
}

// add puts one more document into a file.
func (r rendered) add(path, text string) {
	if before, ok := r[path]; ok {
		text = before + "\n---\n" + text
	}
	r[path] = text
}

// change has the post-renderers change the documents of files. Unless kustomize has to
// see them all, there is one of them in memory at a time.
func (r *Renderer) change(ctx context.Context, p *PostRender, files rendered, limits Limits) (rendered, error) {
	objects := decodeAll(files, limits)
	for i, k := range p.builds() {
		list, err := collect(objects)
		if err != nil {
			return nil, err
		}
		if list, err = r.build(ctx, k, list); err != nil {
			return nil, fmt.Errorf("%w %d: %w", ErrPostRender, i+1, err)
		}
		objects = fromList(list)
	}
	texts := make(map[string]*strings.Builder)
	for o, err := range objects {
		if err == nil {
			err = p.mark(o)
		}
		if err != nil {
			return nil, err
		}
		text, err := yaml.Marshal(o.fields)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: encode as YAML", ErrPostRender, o.path)
		}
		file, ok := texts[o.path]
		if !ok {
			file = &strings.Builder{}
			texts[o.path] = file
		} else {
			file.WriteString("---\n")
		}
		file.Write(text)
	}
	out := make(rendered, len(texts))
	for path, file := range texts {
		out[path] = file.String()
	}
	return out, nil
}

// pathAnnotation carries the template of a document through kustomize.
const pathAnnotation = "postrenderer.helm.sh/postrender-filename"

// build runs one kustomization over all objects.
func (r *Renderer) build(ctx context.Context, k *v2.Kustomize, objects []object) ([]object, error) {
	if len(objects) == 0 || len(k.Patches)+len(k.Images) == 0 {
		return objects, nil
	}
	stream, err := encodeStream(objects)
	if err != nil {
		return nil, err
	}
	documents, err := r.kustomize.Transform(ctx, stream, options(k))
	if err != nil {
		return nil, err
	}
	out := make([]object, 0, len(documents))
	for i, document := range documents {
		o := object{path: fmt.Sprintf("generated-by-postrender-%d.yaml", i)}
		if err := kjson.Unmarshal(document, &o.fields); err != nil {
			return nil, errors.New("decode what kustomize built")
		}
		if path := o.takePath(); path != "" {
			o.path = path
		}
		out = append(out, o)
	}
	return out, nil
}

// encodeStream returns objects as a stream that kustomize reads, each with its path.
func encodeStream(objects []object) ([]byte, error) {
	var stream []byte
	for _, o := range objects {
		if err := o.set("annotations", map[string]string{pathAnnotation: o.path}); err != nil {
			return nil, err
		}
		document, err := json.Marshal(o.fields)
		if err != nil {
			return nil, fmt.Errorf("%s: encode as JSON", o.path)
		}
		stream = append(append(stream, document...), "\n---\n"...)
	}
	return stream, nil
}

// takePath removes the path from an object and returns it.
func (o *object) takePath() string {
	metadata, _ := o.fields["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	path, _ := annotations[pathAnnotation].(string)
	if delete(annotations, pathAnnotation); len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	return path
}

// options returns what a post-renderer asks of kustomize.
func options(k *v2.Kustomize) kustomize.Options {
	var o kustomize.Options
	for _, p := range k.Patches {
		patch := kustomize.Patch{Patch: p.Patch}
		if t := p.Target; t != nil {
			patch.Target = &kustomize.Target{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Namespace: t.Namespace, Name: t.Name,
				AnnotationSelector: t.AnnotationSelector, LabelSelector: t.LabelSelector,
			}
		}
		o.Patches = append(o.Patches, patch)
	}
	for _, i := range k.Images {
		o.Images = append(o.Images, kustomize.Image{Name: i.Name, NewName: i.NewName, NewTag: i.NewTag, Digest: i.Digest})
	}
	return o
}

// mark sets the common metadata and the labels of the owner.
func (p *PostRender) mark(o object) error {
	if c := p.Common; c != nil {
		if err := o.set("labels", c.Labels); err != nil {
			return err
		}
		if err := o.set("annotations", c.Annotations); err != nil {
			return err
		}
	}
	return o.set("labels", p.ownerLabels())
}

// ownerLabels are what every object of the release carries.
func (p *PostRender) ownerLabels() map[string]string {
	if p.OwnerName == "" {
		return nil
	}
	return map[string]string{api.LabelHelmReleaseName: p.OwnerName, api.LabelHelmReleaseNamespace: p.OwnerNamespace}
}

// set sets entries of labels or annotations.
func (o *object) set(field string, entries map[string]string) error {
	if len(entries) == 0 {
		return nil
	}
	metadata, ok := o.fields["metadata"].(map[string]any)
	if !ok {
		return fmt.Errorf("%w: %s: metadata is not a map", ErrManifest, o.path)
	}
	if metadata[field] == nil {
		metadata[field] = make(map[string]any, len(entries))
	}
	target, ok := metadata[field].(map[string]any)
	if !ok {
		return fmt.Errorf("%w: %s: metadata.%s is not a map", ErrManifest, o.path, field)
	}
	for key, value := range entries {
		target[key] = value
	}
	return nil
}
