package harness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFluxCLI(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "flux")
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("CI", "true")
	t.Setenv("FLUX_CLI", "")
	t.Setenv("PEER_BIN", dir)
	if _, err := FluxCLI(t.Context(), nil); !errors.Is(err, ErrNoFluxCLI) || !strings.Contains(err.Error(), "FLUX_CLI") {
		t.Errorf("with nothing: %v", err)
	}
	if err := os.WriteFile(binary, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := FluxCLI(t.Context(), nil); err != nil || got != binary {
		t.Errorf("with PEER_BIN: %s %v", got, err)
	}
	t.Setenv("PEER_BIN", "")
	t.Setenv("FLUX_CLI", binary)
	if got, err := FluxCLI(t.Context(), nil); err != nil || got != binary {
		t.Errorf("with FLUX_CLI: %s %v", got, err)
	}
	t.Setenv("FLUX_CLI", binary+".none")
	if _, err := FluxCLI(t.Context(), nil); err == nil || errors.Is(err, ErrNoFluxCLI) {
		t.Errorf("a wrong FLUX_CLI is not told of: %v", err)
	}
}
