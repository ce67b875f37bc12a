package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Descriptor says where content is, how long it is and what type it has.
type Descriptor = ocispec.Descriptor

// Manifest is the manifest of an image.
type Manifest struct {
	// Digest is its own; where the registry has one image for each platform, it is
	// not that of the version.
	Digest      string
	MediaType   string
	Annotations map[string]string
	Config      Descriptor
	Layers      []Descriptor
}

// Media types of Docker that stand for the same as those of OCI.
const (
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
)

// Digest returns the digest of the manifest that a tag stands for.
func (r *Repository) Digest(ctx context.Context, tag string) (string, error) {
	desc, err := r.resolve(ctx, tag)
	if err != nil {
		return "", r.failure(ctx, fmt.Sprintf("find %q in", tag), err)
	}
	return desc.Digest.String(), nil
}

// resolve asks with HEAD, and with GET where the registry does not answer that.
func (r *Repository) resolve(ctx context.Context, reference string) (Descriptor, error) {
	remote, err := r.connect(ctx)
	if err != nil {
		return Descriptor{}, err
	}
	desc, err := remote.Resolve(ctx, reference)
	if err == nil || ctx.Err() != nil || !worthGet(err) {
		return desc, err
	}
	desc, _, err = r.get(ctx, reference)
	return desc, err
}

// worthGet says whether a registry that does not answer HEAD may well answer GET.
// Answers to HEAD have no body, so that the one to GET says more in any case.
func worthGet(err error) bool {
	response, answered := errors.AsType[*errcode.ErrorResponse](err)
	if !answered {
		_, broken := errors.AsType[*url.Error](err)
		return !broken && classify(context.Background(), err) == nil
	}
	return response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusUnauthorized
}

// Manifest returns the manifest with a digest. Where that is an index of images
// for several platforms, it is the one for linux/amd64, as the annotations and
// layers of artifacts that are not programs do not differ.
func (r *Repository) Manifest(ctx context.Context, sum string) (Manifest, error) {
	m, err := r.manifest(ctx, sum, 0)
	return m, r.failure(ctx, fmt.Sprintf("read the manifest %s of", sum), err)
}

// maxIndexes is how many indexes may lead to a manifest.
const maxIndexes = 3

func (r *Repository) manifest(ctx context.Context, sum string, depth int) (Manifest, error) {
	desc, raw, err := r.get(ctx, sum)
	if err != nil {
		return Manifest{}, err
	}
	var parsed struct {
		MediaType   string            `json:"mediaType"`
		Annotations map[string]string `json:"annotations"`
		Config      Descriptor        `json:"config"`
		Layers      []Descriptor      `json:"layers"`
		Manifests   []Descriptor      `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return Manifest{}, fmt.Errorf("%w: the manifest is not valid JSON", ErrManifest)
	}
	if parsed.MediaType == "" {
		parsed.MediaType = desc.MediaType
	}
	switch parsed.MediaType {
	case ocispec.MediaTypeImageIndex, dockerList:
		if depth == maxIndexes {
			return Manifest{}, fmt.Errorf("%w: more than %d indexes lead to the manifest", ErrTooLarge, maxIndexes)
		}
		child, ok := forPlatform(parsed.Manifests)
		if !ok {
			return Manifest{}, fmt.Errorf("%w: the index has no manifest for linux/amd64", ErrNotFound)
		}
		return r.manifest(ctx, child.Digest.String(), depth+1)
	case ocispec.MediaTypeImageManifest, dockerManifest:
	default:
		return Manifest{}, fmt.Errorf("%w: %q is not the media type of a manifest", ErrManifest, parsed.MediaType)
	}
	return Manifest{
		Digest: sum, MediaType: parsed.MediaType, Annotations: parsed.Annotations,
		Config: parsed.Config, Layers: parsed.Layers,
	}, nil
}

// forPlatform picks from an index; an entry that names no platform is for any.
func forPlatform(all []Descriptor) (Descriptor, bool) {
	i := slices.IndexFunc(all, func(d Descriptor) bool {
		p := d.Platform
		return p == nil || p.OS == "linux" && p.Architecture == "amd64"
	})
	if i < 0 {
		return Descriptor{}, false
	}
	return all[i], true
}

// get reads a manifest of any kind and checks its digest, if it was asked for by
// digest.
func (r *Repository) get(ctx context.Context, reference string) (desc Descriptor, raw []byte, err error) {
	remote, err := r.connect(ctx)
	if err != nil {
		return Descriptor{}, nil, err
	}
	desc, body, err := remote.FetchReference(ctx, reference)
	if err != nil {
		return Descriptor{}, nil, err
	}
	defer closeWith(&err, body)
	if err := r.charge(ctx, min(max(desc.Size, 0), maxManifest)); err != nil {
		return Descriptor{}, nil, err
	}
	raw, err = io.ReadAll(io.LimitReader(body, maxManifest+1))
	switch {
	case err != nil:
		return Descriptor{}, nil, err
	case len(raw) > maxManifest:
		return Descriptor{}, nil, fmt.Errorf("%w: the manifest has more than %d bytes", ErrTooLarge, maxManifest)
	case digest.Digest(reference).Validate() == nil:
		desc.Digest = digest.Digest(reference)
	}
	desc.Size = int64(len(raw))
	if !matches(desc.Digest, raw) {
		return Descriptor{}, nil, fmt.Errorf("%w: the manifest does not have the digest %s", ErrDigest, desc.Digest)
	}
	return desc, raw, nil
}

// matches compares content with a digest of any algorithm.
func matches(sum digest.Digest, raw []byte) bool {
	return sum.Validate() == nil && sum.Algorithm().FromBytes(raw) == sum
}

// Layer returns the first layer with a media type, or the first of all for an empty
// one. [ErrLayer] says that there is none.
func (m Manifest) Layer(mediaType string) (Descriptor, error) {
	if len(m.Layers) == 0 {
		return Descriptor{}, fmt.Errorf("%w: the manifest has no layers", ErrLayer)
	}
	if mediaType == "" {
		return m.Layers[0], nil
	}
	for _, layer := range m.Layers {
		if layer.MediaType == mediaType {
			return layer, nil
		}
	}
	return Descriptor{}, fmt.Errorf("%w: none has the media type %q", ErrLayer, mediaType)
}
