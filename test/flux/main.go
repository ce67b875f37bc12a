// Command flux-recipe makes the released flux command line: with the path to put it at
// as its only argument.
//
// The published module builds but for one folder, that of the manifests which the
// command line embeds; a release generates them from those of the controllers. This
// program does the same with a copy of the module: what the module names by the address
// of a release is built from the module of that controller, which has it as a
// kustomization. Nothing of it is kept but the program.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: flux-recipe PATH")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "flux-recipe:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	dir, err := os.MkdirTemp("", "fluxd-flux-cli-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	version, err := copyModule(command, dir)
	if err != nil {
		return err
	}
	if err := manifests(dir); err != nil {
		return fmt.Errorf("generate the manifests: %w", err)
	}
	return build(dir, version, out)
}
