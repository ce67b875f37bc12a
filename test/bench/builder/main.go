// Command builder builds a folder as the daemon does, from a tree in memory to objects,
// for the benchmark that compares this with the kustomize command.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

func main() {
	n, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "builder:", err)
		os.Exit(1)
	}
	fmt.Println(n)
}

// run builds a folder and returns how many objects are in it.
func run(args []string) (int, error) {
	if len(args) != 1 {
		return 0, errors.New("usage: builder FOLDER")
	}
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		return 0, err
	}
	tree, err := read(store, args[0])
	if err != nil {
		return 0, err
	}
	builder, options := kustomize.New(kustomize.Config{NoRemoteBases: true}), kustomize.Options{Path: "."}
	out, err := render.NewCache(0, nil).Render(context.Background(), render.Job{
		Tree: tree, Inputs: options.Inputs(),
		Build: func(ctx context.Context, trace *render.Trace) ([][]byte, error) {
			return builder.Build(ctx, tree, trace, options)
		},
	})
	return len(out.Objects), err
}

// read makes a folder a tree of the store.
func read(store *artifacts.Store, dir string) (*artifacts.Tree, error) {
	b := store.NewBuilder(artifacts.Limits{})
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return b.AddFile(filepath.ToSlash(name), 0o644, content)
	})
	if err != nil {
		return nil, err
	}
	tree, _, err := b.Build()
	return tree, err
}
