package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Media types of image-spec v1.1.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// platform is what an image runs on.
type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

func (p platform) String() string { return p.OS + "/" + p.Architecture }

// descriptor refers to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// index lists manifests, or other indexes.
type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// manifest says what an image of one platform is made of.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

// config says how to run an image.
type config struct {
	platform
	Config execution `json:"config"`
	RootFS rootFS    `json:"rootfs"`
}

type execution struct {
	User       string
	Entrypoint []string
	Cmd        []string
	WorkingDir string
	Labels     map[string]string
}

// rootFS names layers by the digest of what they unpack to.
type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// blob is content that is stored under its digest.
type blob struct {
	mediaType string
	data      []byte
}

// document returns v as a blob. The values here always encode.
func document(mediaType string, v any) blob {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return blob{mediaType, data}
}

func (b blob) digest() string { return digest(b.data) }

func (b blob) descriptor() descriptor {
	return descriptor{MediaType: b.mediaType, Digest: b.digest(), Size: len(b.data)}
}

// path returns where a layout keeps b, with slashes.
func (b blob) path() string { return "blobs/sha256/" + b.digest()[len("sha256:"):] }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
