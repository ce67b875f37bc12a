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
	"strings"
	"time"
)

// Media types of what is pushed.
const (
	MediaManifest   = "application/vnd.oci.image.manifest.v1+json"
	mediaIndex      = "application/vnd.oci.image.index.v1+json"
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
	// Type is what the artifact is where it is attached to another.
	Type string
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
	Type        string            `json:"artifactType,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func (b Blob) descriptor() descriptor {
	return descriptor{MediaType: b.MediaType, Digest: "sha256:" + Digest(b.Content), Size: len(b.Content), Annotations: b.Annotations}
}

// Push pushes an artifact to a repository under a tag and returns the digest of
// its manifest. It goes past the door, so that it is not counted.
func (r *Registry) Push(ctx context.Context, repository, tag string, a Artifact) (digest string, err error) {
	pushed, err := r.push(ctx, repository, tag, a, nil)
	return pushed.Digest, err
}

// Attach pushes an artifact that is about the manifest with a digest, and lists it
// under the tag that stands in for the referrers API, which the registry lacks. What
// was attached before is not listed any more.
func (r *Registry) Attach(ctx context.Context, repository, digest string, a Artifact) error {
	size, err := r.Size(ctx, repository, digest)
	if err != nil {
		return err
	}
	pushed, err := r.push(ctx, repository, "", a, &descriptor{MediaType: MediaManifest, Digest: digest, Size: int(size)})
	if err != nil {
		return err
	}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": mediaIndex, "manifests": []descriptor{pushed}})
	if err != nil {
		return err
	}
	tag := strings.Replace(digest, ":", "-", 1)
	_, _, err = r.send(ctx, repository, http.MethodPut, "/v2/"+repository+"/manifests/"+tag, mediaIndex, index)
	return err
}

// Size returns that of the manifest with a digest.
func (r *Registry) Size(ctx context.Context, repository, digest string) (int64, error) {
	_, text, err := r.send(ctx, repository, http.MethodGet, "/v2/"+repository+"/manifests/"+digest, MediaManifest, nil)
	return int64(len(text)), err
}

// push pushes an artifact under a tag, or under its digest alone.
func (r *Registry) push(ctx context.Context, repository, tag string, a Artifact, subject *descriptor) (pushed descriptor, err error) {
	manifest := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Type          string            `json:"artifactType,omitempty"`
		Config        descriptor        `json:"config"`
		Layers        []descriptor      `json:"layers"`
		Subject       *descriptor       `json:"subject,omitempty"`
		Annotations   map[string]string `json:"annotations,omitempty"`
	}{SchemaVersion: 2, MediaType: MediaManifest, Type: a.Type, Config: a.Config.descriptor(), Subject: subject, Annotations: a.Annotations}
	for _, blob := range append([]Blob{a.Config}, a.Layers...) {
		if err := r.pushBlob(ctx, repository, blob); err != nil {
			return pushed, err
		}
	}
	for _, layer := range a.Layers {
		manifest.Layers = append(manifest.Layers, layer.descriptor())
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		return pushed, err
	}
	pushed = descriptor{MediaType: MediaManifest, Digest: "sha256:" + Digest(text), Size: len(text), Type: a.Type}
	_, _, err = r.send(ctx, repository, http.MethodPut, "/v2/"+repository+"/manifests/"+cmp.Or(tag, pushed.Digest), MediaManifest, text)
	return pushed, err
}

// pushBlob uploads a blob in one piece.
func (r *Registry) pushBlob(ctx context.Context, repository string, b Blob) error {
	header, _, err := r.send(ctx, repository, http.MethodPost, "/v2/"+repository+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	location, err := url.Parse(header.Get("Location"))
	if err != nil {
		return fmt.Errorf("upload to %s: %w", repository, err)
	}
	query := location.Query()
	query.Set("digest", b.descriptor().Digest)
	_, _, err = r.send(ctx, repository, http.MethodPut, location.Path+"?"+query.Encode(), "application/octet-stream", b.Content)
	return err
}

// send sends a request with the rights to do everything with a repository.
func (r *Registry) send(ctx context.Context, repository, method, target, mediaType string, body []byte) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://server"+target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
		req.Header.Set("Accept", mediaType)
	}
	switch {
	case r.issuer != nil:
		token, err := r.issuer.token([]string{"repository:" + repository + ":pull,push,delete"})
		if err != nil {
			return nil, nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case r.options.Username != "":
		req.SetBasicAuth(r.options.Username, r.options.Password)
	}
	return roundTrip(r.transport, req)
}
