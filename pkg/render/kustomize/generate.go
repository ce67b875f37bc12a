package kustomize

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// placeholder is the namespace of a generated file that lists nothing, which
// kustomize would refuse as empty.
const placeholder = "_placeholder"

// target is what is built.
type target struct {
	dir string
	// manifests are what a generated file lists beside folders.
	manifests []string
	// plain says that it lists nothing else.
	plain bool
	// sorted says that the file asks for an order.
	sorted bool
}

// generate puts the kustomization.yaml of dir, edited as o says, into the overlay. A
// folder without one gets one that lists the manifests below it.
func generate(v *view, dir string, o Options) (target, error) {
	t := target{dir: dir}
	name, ok := recognised(v, dir)
	k := types.Kustomization{TypeMeta: types.TypeMeta{
		APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind,
	}}
	var err error
	if ok {
		err = read(v, name, &k, len(o.Components) > 0)
	} else {
		name = path.Join(dir, konfig.DefaultKustomizationFileName())
		t.manifests, err = list(v, dir, &k)
		t.plain = len(t.manifests) == len(k.Resources)
	}
	if err != nil {
		return t, err
	}
	if err := o.edit(v, dir, &k); err != nil {
		return t, err
	}
	t.sorted = k.SortOptions != nil
	text, err := yaml.Marshal(k)
	if err != nil {
		return t, fmt.Errorf("encode %s: %w", name, err)
	}
	return t, v.WriteFile(name, text)
}

// recognised returns the kustomization file of dir, and whether there is one.
func recognised(v *view, dir string) (string, bool) {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if p := path.Join(dir, name); v.isFile(p) {
			return p, true
		}
	}
	return "", false
}

// read decodes a kustomization file. Fields that kustomize does not know are left
// out of the edited file, as section 2.6 rule 5 says. Unless more comes from elsewhere,
// one that is empty is refused.
func read(v *view, name string, k *types.Kustomization, more bool) error {
	content, err := v.raw(name)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(content, k); err != nil {
		return fmt.Errorf("failed to decode %s: %w", shown(name), err)
	}
	if !more {
		if err := refuseEmpty(name, content, k); err != nil {
			return err
		}
	}
	if len(k.Resources) == 0 {
		k.BuildMetadata = []string{types.OriginAnnotations}
	}
	return nil
}

// list fills k with what is in dir and returns the manifests among it.
func list(v *view, dir string, k *types.Kustomization) ([]string, error) {
	found, manifests, err := scan(v, dir)
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		k.Resources = append(k.Resources, "."+strings.TrimPrefix(p, dir))
	}
	if len(found) == 0 {
		k.Namespace = placeholder
	}
	return manifests, nil
}

// scan walks dir in lexical order and returns the folders with a kustomization file,
// which it does not enter, and the manifests; the latter a second time alone.
func scan(v *view, dir string) (found, manifests []string, err error) {
	entries, err := v.list(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		switch ext := path.Ext(p); {
		case !e.IsDir() && (ext == ".yaml" || ext == ".yml"):
			found, manifests = append(found, p), append(manifests, p)
		case !e.IsDir():
		default:
			if _, ok := recognised(v, p); ok {
				found = append(found, p)
				continue
			}
			inner, innerManifests, err := scan(v, p)
			if err != nil {
				return nil, nil, err
			}
			found, manifests = append(found, inner...), append(manifests, innerManifests...)
		}
	}
	return found, manifests, nil
}

// diagnose finds the manifest that does not parse, for the sake of the error. A
// build of a generated kustomization.yaml fails on such a file in any case.
func diagnose(v *view, manifests []string, factory *resource.Factory) error {
	for _, p := range manifests {
		content, err := v.raw(p)
		if err != nil {
			return err
		}
		if err := parses(p, content, factory); err != nil {
			return err
		}
	}
	return nil
}

func parses(p string, content []byte, factory *resource.Factory) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered from panic while parsing YAML file %s: %v", path.Base(p), r)
		}
	}()
	if _, err := factory.SliceFromBytes(content); err != nil {
		return fmt.Errorf("failed to decode Kubernetes YAML from %s: %w", shown(p), err)
	}
	return nil
}

// shown is how people know a path of the view: from the root of the artifact.
func shown(p string) string {
	name, ok := below(p, root)
	if !ok {
		return p
	}
	return name
}

// edit changes k in the order of section 2.6 rule 6.
func (o Options) edit(v *view, dir string, k *types.Kustomization) error {
	replace(&k.Namespace, o.TargetNamespace)
	replace(&k.NamePrefix, o.NamePrefix)
	replace(&k.NameSuffix, o.NameSuffix)
	for _, p := range o.Patches {
		if err := v.limits.check([]byte(p.Patch)); err != nil {
			return fmt.Errorf("patch: %w", err)
		}
		k.Patches = append(k.Patches, types.Patch{Patch: p.Patch, Target: p.Target.selector()})
	}
	for _, c := range o.Components {
		if !localRelative(c) {
			return fmt.Errorf("component path '%s' must be local and relative", c)
		}
		k.Components = append(k.Components, c)
	}
	if o.IgnoreMissingComponents {
		k.Components = slices.DeleteFunc(k.Components, func(c string) bool {
			return localRelative(c) && !v.Exists(path.Join(dir, c))
		})
	}
	for _, image := range o.Images {
		k.Images = withImage(k.Images, image)
	}
	if len(o.BuildMetadata) > 0 {
		k.BuildMetadata = o.BuildMetadata
	}
	return nil
}

func replace(field *string, value string) {
	if value != "" {
		*field = value
	}
}

func (t *Target) selector() *types.Selector {
	if t == nil {
		return nil
	}
	s := &types.Selector{AnnotationSelector: t.AnnotationSelector, LabelSelector: t.LabelSelector}
	s.Group, s.Version, s.Kind, s.Name, s.Namespace = t.Group, t.Version, t.Kind, t.Name, t.Namespace
	return s
}

// withImage merges image into images by its name: tag and digest are one unit.
func withImage(images []types.Image, image Image) []types.Image {
	i := slices.IndexFunc(images, func(other types.Image) bool { return other.Name == image.Name })
	if i < 0 {
		return append(images, types.Image{
			Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest,
		})
	}
	replace(&images[i].NewName, image.NewName)
	if image.NewTag != "" || image.Digest != "" {
		images[i].NewTag, images[i].Digest = image.NewTag, image.Digest
	}
	return images
}
