package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/fluxd/fluxd/pkg/sources/signature"
)

const (
	// maxSignatures bounds how many signatures of a manifest are looked at.
	maxSignatures = 50
	// maxSignature bounds one of them, in bytes.
	maxSignature = 256 << 10
)

// Describe implements [signature.Store].
func (r *Repository) Describe(ctx context.Context, sum string) (mediaType string, size int64, err error) {
	desc, err := r.resolve(ctx, sum)
	return desc.MediaType, desc.Size, r.failure(ctx, fmt.Sprintf("find %s in", sum), err)
}

// Tagged implements [signature.Store].
func (r *Repository) Tagged(ctx context.Context, tag string) ([]signature.Blob, error) {
	sum, err := r.Digest(ctx, tag)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := r.Manifest(ctx, sum)
	if err != nil {
		return nil, err
	}
	return r.blobs(ctx, m)
}

// blobs reads the layers of a manifest. Those that are too large are left out.
func (r *Repository) blobs(ctx context.Context, m Manifest) ([]signature.Blob, error) {
	var all []signature.Blob
	for _, layer := range m.Layers[:min(len(m.Layers), maxSignatures)] {
		if layer.Size > maxSignature {
			continue
		}
		content, err := r.ReadBlob(ctx, layer)
		if err != nil {
			return nil, err
		}
		all = append(all, signature.Blob{MediaType: layer.MediaType, Annotations: layer.Annotations, Content: content})
	}
	return all, nil
}

// Referring implements [signature.Store]. Registries without the referrers API have an
// index under a tag in its place.
func (r *Repository) Referring(ctx context.Context, sum, artifactType string) ([]signature.Blob, error) {
	referrers, err := r.referrers(ctx, sum, artifactType)
	if err != nil {
		return nil, r.failure(ctx, fmt.Sprintf("list what refers to %s in", sum), err)
	}
	var all []signature.Blob
	for _, d := range referrers {
		m, err := r.Manifest(ctx, d.Digest.String())
		if err != nil {
			return nil, err
		}
		blobs, err := r.blobs(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, b := range blobs {
			if b.Annotations == nil {
				b.Annotations = m.Annotations
			}
			all = append(all, b)
		}
		if len(all) >= maxSignatures {
			return all[:maxSignatures], nil
		}
	}
	return all, nil
}

func (r *Repository) referrers(ctx context.Context, sum, artifactType string) ([]Descriptor, error) {
	remote, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	list := func() (all []Descriptor, err error) {
		err = remote.Referrers(ctx, Descriptor{Digest: digest.Digest(sum)}, artifactType, func(page []Descriptor) error {
			if all = append(all, page...); len(all) >= maxSignatures {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errdef.ErrNotFound) || errors.Is(err, errEnough) {
			err = nil
		}
		return all, err
	}
	all, err := list()
	if unknownAPI(err) && remote.SetReferrersCapability(false) == nil {
		return list()
	}
	return all, err
}

// unknownAPI says whether a registry answers as those do that never heard of
// referrers.
func unknownAPI(err error) bool {
	response, ok := errors.AsType[*errcode.ErrorResponse](err)
	return ok && slices.Contains([]int{
		http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusNotImplemented,
	}, response.StatusCode)
}
