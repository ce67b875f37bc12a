package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
)

func TestMachine(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.Command("git", "-C", root, "rev-parse", "HEAD").Output(); err != nil {
		t.Skipf("the source tree is no Git repository: %v", err)
	}
	m, err := machine(t.Context(), root, "")
	if err != nil {
		t.Fatal(err)
	}
	if m.Cores < 1 || !regexp.MustCompile(`^Linux \d+$`).MatchString(m.Kernel) || !regexp.MustCompile(`^\d+ GiB$`).MatchString(m.Memory) ||
		!regexp.MustCompile(`^[0-9a-f]{7,}$`).MatchString(m.Fluxd) || m.Flux != "" {
		t.Errorf("%+v", m)
	}
	if _, err := machine(t.Context(), root, t.TempDir()); err == nil {
		t.Error("Flux controllers that are not there have versions")
	}
}

func TestVersions(t *testing.T) {
	self, err := os.Executable() // has the information that programs in Go have
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range harness.StockControllers {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := versions(dir)
	if err != nil || strings.Count(text, "of an unknown version (go1.") != len(harness.StockControllers) {
		t.Errorf("%s: %v", text, err)
	}
	info := &buildinfo.BuildInfo{Deps: []*debug.Module{
		{Path: "github.com/fluxcd/source-controller/api", Version: "v1.9.0"}, {Path: "github.com/fluxcd/helm-controller/api", Version: "v1.6.3"},
	}}
	if got := apiVersion(info, "helm-controller"); got != "v1.6.3" {
		t.Errorf("the version is %s", got)
	}
}
