package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var platforms = []platform{{"amd64", "linux"}, {"arm64", "linux"}}

// program is what the image of p runs in these tests.
func program(p platform) []byte { return []byte("the program for " + p.Architecture) }

// makeImages writes the images of all platforms and returns the folder of the layout.
func makeImages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var args []string
	for _, p := range platforms {
		path := filepath.Join(dir, p.Architecture)
		if err := os.WriteFile(path, program(p), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, p.String()+"="+path)
	}
	out := filepath.Join(dir, "image")
	if err := run(options{"fluxd/fluxd", "v1.2.3", out}, args, io.Discard); err != nil {
		t.Fatal(err)
	}
	return out
}

// open reads what d refers to and fails if it is not that.
func open(t *testing.T, dir string, d descriptor, into any) []byte {
	t.Helper()
	hex, ok := strings.CutPrefix(d.Digest, "sha256:")
	if !ok {
		t.Fatalf("digest %q", d.Digest)
	}
	data := read(t, filepath.Join(dir, "blobs", "sha256", hex))
	if digest(data) != d.Digest || len(data) != d.Size {
		t.Fatalf("%s is %d bytes of %s", d.Digest, len(data), digest(data))
	}
	if into != nil {
		decode(t, data, into)
	}
	return data
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
}

// listed returns the manifests of a layout, by way of its indexes.
func listed(t *testing.T, dir string) []descriptor {
	t.Helper()
	var top, list index
	decode(t, read(t, filepath.Join(dir, "index.json")), &top)
	if len(top.Manifests) != 1 || top.Manifests[0].MediaType != typeIndex {
		t.Fatalf("index.json does not refer to one index: %+v", top)
	}
	if got := top.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; got != "v1.2.3" {
		t.Errorf("tag is %q", got)
	}
	open(t, dir, top.Manifests[0], &list)
	return list.Manifests
}

func TestLayout(t *testing.T) {
	dir := makeImages(t)
	if got := string(read(t, filepath.Join(dir, "oci-layout"))); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
	manifests := listed(t, dir)
	if len(manifests) != len(platforms) {
		t.Fatalf("%d images", len(manifests))
	}
	for i, d := range manifests {
		want := platforms[i]
		t.Run(want.String(), func(t *testing.T) {
			if d.MediaType != typeManifest || *d.Platform != want {
				t.Errorf("descriptor %+v", d)
			}
			var m manifest
			open(t, dir, d, &m)
			var c config
			open(t, dir, m.Config, &c)
			if c.platform != want || c.Config.User != "65532:65532" {
				t.Errorf("config %+v", c)
			}
			if diff := cmp.Diff([]string{"/fluxd", "run"}, slices.Concat(c.Config.Entrypoint, c.Config.Cmd)); diff != "" {
				t.Error(diff)
			}
			unpacked := unzip(t, open(t, dir, m.Layers[0], nil))
			if diff := cmp.Diff([]string{digest(unpacked)}, c.RootFS.DiffIDs); diff != "" {
				t.Error(diff)
			}
			if got := contents(t, unpacked)["fluxd"].data; !bytes.Equal(got, program(want)) {
				t.Errorf("program is %q", got)
			}
		})
	}
}

// Every file of a layout is the marker, the entry, or reached from there.
func TestLayoutHasNothingElse(t *testing.T) {
	dir := makeImages(t)
	want := map[string]bool{"oci-layout": true, "index.json": true}
	var top index
	decode(t, read(t, filepath.Join(dir, "index.json")), &top)
	expect := func(d descriptor) { want["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")] = true }
	expect(top.Manifests[0])
	for _, d := range listed(t, dir) {
		var m manifest
		open(t, dir, d, &m)
		expect(d)
		expect(m.Config)
		expect(m.Layers[0])
	}
	got := make(map[string]bool)
	for path := range files(t, dir) {
		got[path] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRootFS(t *testing.T) {
	layer, err := rootfs([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string][2]int64)
	for name, f := range contents(t, layer) {
		got[name] = [2]int64{f.mode, int64(f.owner)}
	}
	want := map[string][2]int64{
		"data/":      {0o755, nonroot},
		"etc/":       {0o755, 0},
		"etc/group":  {0o644, 0},
		"etc/passwd": {0o644, 0},
		"fluxd":      {0o755, 0},
		"tmp/":       {0o1777, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestArchive(t *testing.T) {
	dir := makeImages(t)
	for i, d := range listed(t, dir) {
		var m manifest
		open(t, dir, d, &m)
		archive := contents(t, read(t, dir+"-linux-"+platforms[i].Architecture+".tar"))
		var got []saved
		decode(t, archive["manifest.json"].data, &got)
		if len(got) != 1 || len(got[0].Layers) != 1 {
			t.Fatalf("manifest.json: %+v", got)
		}
		if diff := cmp.Diff([]string{"fluxd/fluxd:v1.2.3"}, got[0].RepoTags); diff != "" {
			t.Error(diff)
		}
		if got := digest(archive[got[0].Config].data); got != m.Config.Digest {
			t.Errorf("config %s, in the layout %s", got, m.Config.Digest)
		}
		if got := digest(archive[got[0].Layers[0]].data); got != m.Layers[0].Digest {
			t.Errorf("layer %s, in the layout %s", got, m.Layers[0].Digest)
		}
	}
}

func TestReproducible(t *testing.T) {
	first, second := makeImages(t), makeImages(t)
	if diff := cmp.Diff(files(t, filepath.Dir(first)), files(t, filepath.Dir(second))); diff != "" {
		t.Error(diff)
	}
}

func TestSecondRunReplacesTheFirst(t *testing.T) {
	out := makeImages(t)
	stale := filepath.Join(out, "blobs", "sha256", "stale")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(out), "amd64")
	if err := run(options{"fluxd", "v2", out}, []string{"linux/amd64=" + path}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestForeignFolderIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := writeLayout(dir, nil, "v1"); !errors.Is(err, errNotLayout) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestArguments(t *testing.T) {
	for arg, ok := range map[string]bool{
		"linux/amd64=bin/fluxd": true,
		"linux/amd64":           false,
		"linux=bin/fluxd":       false,
		"/amd64=bin/fluxd":      false,
		"linux/=bin/fluxd":      false,
		"linux/amd64=":          false,
	} {
		if _, _, err := parse(arg); (err == nil) != ok {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func unzip(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return unpacked
}

// contents returns the entries of a tar by name.
func contents(t *testing.T, data []byte) map[string]file {
	t.Helper()
	entries := make(map[string]file)
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		entries[h.Name] = file{h.Name, h.Mode, h.Uid, data}
	}
}

// files returns the digests of what is below dir, by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	if err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		found[filepath.ToSlash(name)] = digest(read(t, path))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}
