// Command render writes what a kustomization builds into one file, with the image
// of the Deployment replaced. It is how deploy/ becomes install.yaml:
//
//	go run ./hack/render -image fluxd/fluxd:v1.0.0 -out dist/install.yaml deploy
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/filters/imagetag"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
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

// render builds the kustomization in dir and returns it as a stream of YAML
// documents. An empty image leaves the images as they are.
func render(dir, image string) ([]byte, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	if image != "" {
		replacement, err := parse(image)
		if err != nil {
			return nil, err
		}
		if err := built.ApplyFilter(imagetag.Filter{ImageTag: replacement, FsSlice: images}); err != nil {
			return nil, fmt.Errorf("set the image: %w", err)
		}
	}
	return built.AsYaml()
}

// placeholder is the name of the image in deploy/.
const placeholder = "fluxd/fluxd"

// images says where an object names one.
var images = types.FsSlice{{Path: "spec/template/spec/containers/image"}}

// parse splits an image into name and tag. Clients of Flux read the tag, so there
// must be one.
func parse(image string) (types.Image, error) {
	colon := strings.LastIndex(image, ":")
	if colon <= strings.LastIndex(image, "/") || colon == len(image)-1 {
		return types.Image{}, fmt.Errorf("image %q: %w", image, errNoTag)
	}
	return types.Image{Name: placeholder, NewName: image[:colon], NewTag: image[colon+1:]}, nil
}

var errNoTag = errors.New("no tag after the name")
