package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writeLayout writes an OCI image layout to dir, in the place of the one that is
// there, and returns the digest of the index that lists the images. A folder that
// holds something else is left alone.
func writeLayout(dir string, images []image, version string) (string, error) {
	if err := clear(dir); err != nil {
		return "", err
	}
	list := index{SchemaVersion: 2, MediaType: typeIndex}
	var blobs []blob
	for _, img := range images {
		d := img.manifest.descriptor()
		d.Platform = &img.platform
		list.Manifests = append(list.Manifests, d)
		blobs = append(blobs, img.layer, img.config, img.manifest)
	}
	listed := document(typeIndex, list)
	for _, b := range append(blobs, listed) {
		if err := write(filepath.Join(dir, filepath.FromSlash(b.path())), b.data); err != nil {
			return "", err
		}
	}
	top := listed.descriptor()
	top.Annotations = map[string]string{"org.opencontainers.image.ref.name": version}
	entry := document(typeIndex, index{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{top}})
	if err := write(filepath.Join(dir, "index.json"), entry.data); err != nil {
		return "", err
	}
	return top.Digest, write(filepath.Join(dir, marker), []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

// marker is the file by which a layout is known.
const marker = "oci-layout"

var errNotLayout = errors.New("not empty and not an image layout")

// clear removes the layout in dir.
func clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil && len(entries) > 0 {
		return fmt.Errorf("%s: %w", dir, errNotLayout)
	}
	return os.RemoveAll(dir)
}

// writeArchive writes what `docker save` would write of img under the name ref.
// It is no layout itself: importers would then look for the name in there, where
// there is room for a tag only.
func writeArchive(path string, img image, ref string) error {
	contents, err := json.Marshal([]saved{{
		Config: img.config.path(), RepoTags: []string{ref}, Layers: []string{img.layer.path()},
	}})
	if err != nil {
		return err
	}
	packed, err := pack([]file{
		{name: "blobs/", mode: 0o755},
		{name: "blobs/sha256/", mode: 0o755},
		{name: img.config.path(), mode: 0o644, data: img.config.data},
		{name: img.layer.path(), mode: 0o644, data: img.layer.data},
		{name: "manifest.json", mode: 0o644, data: contents},
	})
	if err != nil {
		return err
	}
	return write(path, packed)
}

// saved is an entry of manifest.json in such an archive.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
