// Command render writes what a kustomization of deploy/ builds into one file, with
// the image of the Deployment replaced. It is how deploy/ becomes install.yaml, by
// the renderer that `fluxd install` has:
//
//	go run ./hack/render -image fluxd/fluxd:v1.0.0 -out dist/install.yaml deploy
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/install"
)

func main() {
	image := flag.String("image", "", "name:tag to put in the place of every image")
	out := flag.String("out", "", "file to write; empty means standard output")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: render [-image name:tag] [-out file] folder")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *image, *out); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(dir, image, out string) error {
	manifests, err := render(dir, image)
	if err != nil {
		return err
	}
	if out == "" {
		_, err := os.Stdout.Write(manifests)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(out, manifests, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %d KiB\n", out, len(manifests)>>10)
	return nil
}

// render builds the kustomization in dir, deploy or a folder below it, and returns it
// as a stream of YAML documents. An empty image leaves the images as they are.
func render(dir, image string) ([]byte, error) {
	root, below := split(dir)
	ctx := context.Background()
	objects, err := install.Build(ctx, os.DirFS(root), below)
	if err != nil {
		return nil, err
	}
	o := install.DefaultOptions("dev")
	if image != "" {
		o.Image, o.Version = image, ""
	}
	if objects, err = o.Edit(objects); err != nil {
		return nil, err
	}
	return install.Encode(objects)
}

// split returns the folder that has everything that dir refers to, and where dir is in
// there.
func split(dir string) (root, below string) {
	parts := strings.Split(filepath.ToSlash(filepath.Clean(dir)), "/")
	if i := slices.Index(parts, "deploy"); i >= 0 {
		return strings.Join(parts[:i+1], "/"), "./" + strings.Join(parts[i+1:], "/")
	}
	return dir, "."
}
