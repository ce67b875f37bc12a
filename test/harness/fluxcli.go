package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fluxd/fluxd/test/program"
)

// ErrNoFluxCLI marks the error of [FluxCLI] where there is no flux command line.
var ErrNoFluxCLI = errors.New("no flux command line")

// fluxModule is what the flux command line is built from: the published module, with
// its manifests made anew. It takes some five minutes of one processor, and 77 MB.
var fluxModule = program.Module{
	Dir:    "test/flux",
	Name:   "flux",
	Cache:  "flux",
	Title:  "the flux command line",
	Takes:  "some minutes",
	Recipe: true,
}

// FluxCLI returns the path of the released flux command line: the one that FLUX_CLI
// names, the one in the folder PEER_BIN, or the one in the cache, which is built first
// if need be. Where CI is set it is not built, since that takes longer than all the
// tests that need it. Progress is told in lines while there is a wait.
func FluxCLI(ctx context.Context, progress io.Writer) (string, error) {
	if path := os.Getenv("FLUX_CLI"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("the flux command line that FLUX_CLI names: %w", err)
		}
		return path, nil
	}
	if dir := os.Getenv("PEER_BIN"); dir != "" {
		path := filepath.Join(dir, "flux")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, ok, err := fluxModule.Built(ctx)
	if err != nil {
		return "", err
	}
	if ok {
		return path, nil
	}
	if os.Getenv("CI") != "" {
		return "", fmt.Errorf("%w: FLUX_CLI names none, none is in the cache, and where CI is set none is built, "+
			"which takes minutes: `go test ./test/clients` without CI does", ErrNoFluxCLI)
	}
	path, err = fluxModule.Build(ctx, progress)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoFluxCLI, err)
	}
	return path, nil
}
