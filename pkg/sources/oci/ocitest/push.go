package ocitest

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of Flux's own artifacts.
const (
	ConfigType = "application/vnd.cncf.flux.config.v1+json"
	LayerType  = "application/vnd.cncf.flux.content.v1.tar+gzip"
)

// Layer is a layer that is pushed.
type Layer struct {
	MediaType   string // that of Flux if empty
	Content     []byte
	Annotations map[string]string
}

// Image is a manifest that is pushed.
type Image struct {
	Layers       []Layer
	Annotations  map[string]string
	ArtifactType string
	Config       []byte // {} if nil
	ConfigType   string // that of Flux if empty
	// Subject is the digest of a manifest that this one is about.
	Subject string
}

// Push stores an image, under a tag unless that is empty, and returns the digest of
// its manifest.
func (r *Registry) Push(repository, tag string, image Image) string {
	if image.Config == nil {
		image.Config = []byte("{}")
	}
	if image.ConfigType == "" {
		image.ConfigType = ConfigType
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: image.ArtifactType, Annotations: image.Annotations,
		Config: r.PushBlob(image.ConfigType, image.Config), Layers: []ocispec.Descriptor{},
	}
	for _, l := range image.Layers {
		if l.MediaType == "" {
			l.MediaType = LayerType
		}
		d := r.PushBlob(l.MediaType, l.Content)
		d.Annotations = maps.Clone(l.Annotations)
		m.Layers = append(m.Layers, d)
	}
	if image.Subject != "" {
		r.mu.Lock()
		subject := describe(r.manifests[repository+"@"+image.Subject])
		r.mu.Unlock()
		subject.ArtifactType = ""
		m.Subject = &subject
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err) // the type has nothing that cannot be marshalled
	}
	sum := r.PushManifest(repository, tag, ocispec.MediaTypeImageManifest, raw)
	if image.Subject != "" {
		r.refer(repository, image.Subject, sum)
	}
	return sum
}

// PushFiles stores an image with one layer, which holds files.
func (r *Registry) PushFiles(repository, tag string, files map[string]string) string {
	return r.Push(repository, tag, Image{Layers: []Layer{{Content: TarGz(Files(files)...)}}})
}

// PushIndex stores an index of manifests, each with its platform.
func (r *Registry) PushIndex(repository, tag string, platforms map[string]string) string {
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	r.mu.Lock()
	for platform, sum := range platforms {
		d := describe(r.manifests[repository+"@"+sum])
		os, arch, _ := strings.Cut(platform, "/")
		d.Platform = &ocispec.Platform{OS: os, Architecture: arch}
		index.Manifests = append(index.Manifests, d)
	}
	r.mu.Unlock()
	raw, err := json.Marshal(index)
	if err != nil {
		panic(err) // the type has nothing that cannot be marshalled
	}
	return r.PushManifest(repository, tag, ocispec.MediaTypeImageIndex, raw)
}

// PushManifest stores a manifest as it is.
func (r *Registry) PushManifest(repository, tag, mediaType string, raw []byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := DigestOf(raw)
	r.manifests[repository+"@"+sum] = Content{MediaType: mediaType, Raw: raw}
	if r.tags[repository] == nil {
		r.tags[repository] = make(map[string]string)
	}
	if tag != "" {
		r.tags[repository][tag] = sum
	}
	return sum
}

// PushBlob stores a blob and describes it.
func (r *Registry) PushBlob(mediaType string, content []byte) ocispec.Descriptor {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := DigestOf(content)
	r.blobs[sum] = content
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(sum), Size: int64(len(content))}
}

// Corrupt replaces the content of a blob by what does not have its digest.
func (r *Registry) Corrupt(sum string, content []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[sum] = content
}

// Delete removes a tag.
func (r *Registry) Delete(repository, tag string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tags[repository], tag)
}

// refer notes that a manifest is about another: in the referrers API, or under the
// tag that stands in for it.
func (r *Registry) refer(repository, subject, sum string) {
	r.mu.Lock()
	key := repository + "@" + subject
	if r.referrers[key] == nil {
		r.referrers[key] = make(map[string]bool)
	}
	r.referrers[key][sum] = true
	index, noAPI := r.index(repository, subject, ""), r.noAPI
	r.mu.Unlock()
	if !noAPI {
		return
	}
	raw, err := json.Marshal(index)
	if err != nil {
		panic(err) // the type has nothing that cannot be marshalled
	}
	r.PushManifest(repository, strings.Replace(subject, ":", "-", 1), ocispec.MediaTypeImageIndex, raw)
}

// describe returns the descriptor of a manifest.
func describe(m Content) ocispec.Descriptor {
	var parsed ocispec.Manifest
	_ = json.Unmarshal(m.Raw, &parsed) // what does not parse has no type
	d := ocispec.Descriptor{
		MediaType: m.MediaType, Digest: digest.Digest(DigestOf(m.Raw)), Size: int64(len(m.Raw)),
		ArtifactType: parsed.ArtifactType, Annotations: parsed.Annotations,
	}
	if d.ArtifactType == "" {
		d.ArtifactType = parsed.Config.MediaType
	}
	return d
}
