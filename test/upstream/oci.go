package upstream

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Media types of what is pushed.
const (
	mediaManifest   = "application/vnd.oci.image.manifest.v1+json"
	MediaFluxConfig = "application/vnd.cncf.flux.config.v1+json"
	MediaFluxLayer  = "application/vnd.cncf.flux.content.v1.tar+gzip"
	MediaHelmConfig = "application/vnd.cncf.helm.config.v1+json"
	MediaHelmLayer  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// Blob is a part of an artifact.
type Blob struct {
	MediaType   string
	Content     []byte
	Annotations map[string]string
}

// Artifact is what is pushed under a tag.
type Artifact struct {
	Config      Blob
	Layers      []Blob
	Annotations map[string]string
}

// FluxArtifact is what flux push artifact makes of files.
func FluxArtifact(files map[string]string, annotations map[string]string) (Artifact, error) {
	layer, err := Archive(files)
	return Artifact{
		Config:      Blob{MediaType: MediaFluxConfig, Content: []byte("{}")},
		Layers:      []Blob{{MediaType: MediaFluxLayer, Content: layer}},
		Annotations: annotations,
	}, err
}

// Archive packs files into a tar.gz, with the same bytes for the same files.
func Archive(files map[string]string) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := io.WriteString(archive, files[name]); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := cmp.Or(archive.Close(), zip.Close()); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return out.Bytes(), nil
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func (b Blob) descriptor() descriptor {
	return descriptor{MediaType: b.MediaType, Digest: "sha256:" + Digest(b.Content), Size: len(b.Content), Annotations: b.Annotations}
}

// Push pushes an artifact to a repository under a tag and returns the digest of
// its manifest. It goes past the door, so that it is not counted.
func (r *Registry) Push(ctx context.Context, repository, tag string, a Artifact) (digest string, err error) {
	manifest := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Config        descriptor        `json:"config"`
		Layers        []descriptor      `json:"layers"`
		Annotations   map[string]string `json:"annotations,omitempty"`
	}{SchemaVersion: 2, MediaType: mediaManifest, Config: a.Config.descriptor(), Annotations: a.Annotations}
	for _, blob := range append([]Blob{a.Config}, a.Layers...) {
		if err := r.pushBlob(ctx, repository, blob); err != nil {
			return "", err
		}
	}
	for _, layer := range a.Layers {
		manifest.Layers = append(manifest.Layers, layer.descriptor())
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		return "", err
	}
	_, err = r.do(ctx, repository, http.MethodPut, "/v2/"+repository+"/manifests/"+tag, mediaManifest, text)
	return "sha256:" + Digest(text), err
}

// pushBlob uploads a blob in one piece.
func (r *Registry) pushBlob(ctx context.Context, repository string, b Blob) error {
	header, err := r.do(ctx, repository, http.MethodPost, "/v2/"+repository+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	location, err := url.Parse(header.Get("Location"))
	if err != nil {
		return fmt.Errorf("upload to %s: %w", repository, err)
	}
	query := location.Query()
	query.Set("digest", b.descriptor().Digest)
	_, err = r.do(ctx, repository, http.MethodPut, location.Path+"?"+query.Encode(), "application/octet-stream", b.Content)
	return err
}

// do sends a request with the rights to do everything with a repository.
func (r *Registry) do(ctx context.Context, repository, method, target, mediaType string, body []byte) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://server"+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	switch {
	case r.issuer != nil:
		token, err := r.issuer.token([]string{"repository:" + repository + ":pull,push,delete"})
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case r.options.Username != "":
		req.SetBasicAuth(r.options.Username, r.options.Password)
	}
	header, _, err := roundTrip(r.transport, req)
	return header, err
}
