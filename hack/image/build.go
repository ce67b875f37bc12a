package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
)

// The user that the program runs as, under the number that is customary for
// images without a distribution.
const nonroot = 65532

// image is what runs on one platform.
type image struct {
	platform                platform
	layer, config, manifest blob
	unpacked                int // bytes of the layer before compression
}

// build makes an image that runs program.
func build(p platform, program []byte, version string) (image, error) {
	unpacked, err := rootfs(program)
	if err != nil {
		return image{}, err
	}
	packed, err := compress(unpacked)
	if err != nil {
		return image{}, err
	}
	img := image{platform: p, layer: blob{typeLayer, packed}, unpacked: len(unpacked)}
	img.config = document(typeConfig, config{
		platform: p,
		Config: execution{
			User:       fmt.Sprintf("%d:%d", nonroot, nonroot),
			Entrypoint: []string{"/fluxd"},
			Cmd:        []string{"run"},
			WorkingDir: "/",
			Labels: map[string]string{
				"org.opencontainers.image.title":       "fluxd",
				"org.opencontainers.image.description": "All of Flux in one small process",
				"org.opencontainers.image.version":     version,
				"org.opencontainers.image.licenses":    "Apache-2.0",
			},
		},
		RootFS: rootFS{Type: "layers", DiffIDs: []string{digest(unpacked)}},
	})
	img.manifest = document(typeManifest, manifest{
		SchemaVersion: 2,
		MediaType:     typeManifest,
		Config:        img.config.descriptor(),
		Layers:        []descriptor{img.layer.descriptor()},
	})
	return img, nil
}

// rootfs returns the file system of the image as a tar.
func rootfs(program []byte) ([]byte, error) {
	passwd := fmt.Sprintf("root:x:0:0:root:/:/nologin\nnonroot:x:%d:%d:nonroot:/:/nologin\n", nonroot, nonroot)
	group := fmt.Sprintf("root:x:0:\nnonroot:x:%d:\n", nonroot)
	return pack([]file{
		{name: "data/", mode: 0o755, owner: nonroot},
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, data: []byte(group)},
		{name: "etc/passwd", mode: 0o644, data: []byte(passwd)},
		{name: "fluxd", mode: 0o755, data: program},
		{name: "tmp/", mode: 0o1777},
	})
}

// file is an entry of a tar; its name ends with a slash if it is a folder.
type file struct {
	name  string
	mode  int64
	owner int // user and group
	data  []byte
}

// pack returns files as a tar without times.
func pack(files []file) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)),
			Uid: f.owner, Gid: f.owner, Format: tar.FormatUSTAR,
		}
		if strings.HasSuffix(f.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
