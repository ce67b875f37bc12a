package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

// machine says what the figures depend on. Peers is the folder of the Flux controllers,
// or empty.
func machine(ctx context.Context, root, peers string) (report.Machine, error) {
	m := report.Machine{Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	kind, err := os.ReadFile("/proc/sys/kernel/ostype")
	if err != nil {
		return m, err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, err
	}
	major, _, _ := strings.Cut(string(release), ".")
	m.Kernel = strings.TrimSpace(string(kind)) + " " + major
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, err
	}
	var kib float64
	if _, err := fmt.Sscanf(string(memory), "MemTotal: %f kB", &kib); err != nil {
		return m, fmt.Errorf("read the memory of the machine: %w", err)
	}
	m.Memory = fmt.Sprintf("%.0f GiB", kib/(1<<20))
	cmd := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD")
	cmd.Dir = root
	commit, err := cmd.Output()
	if err != nil {
		return m, fmt.Errorf("identify the source tree: %w", err)
	}
	m.Fluxd = string(bytes.TrimSpace(commit))
	if peers != "" {
		m.Flux, err = versions(peers)
	}
	return m, err
}

// versions says which Flux controllers are in a folder.
func versions(dir string) (string, error) {
	var all []string
	for _, name := range harness.StockControllers {
		info, err := buildinfo.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("identify the Flux controllers: %w", err)
		}
		version := info.Main.Version
		if version == "" || version == "(devel)" { // of one compiled from its sources, as all of the releases are
			version = apiVersion(info, name)
		}
		all = append(all, name+" "+version+" ("+info.GoVersion+")")
	}
	return strings.Join(all, ", "), nil
}

// apiVersion is that of the module with the API of a controller, which has the version of
// the controller.
func apiVersion(info *buildinfo.BuildInfo, name string) string {
	for _, m := range info.Deps {
		if strings.HasSuffix(m.Path, "/"+name+"/api") {
			return m.Version
		}
	}
	return "of an unknown version"
}
