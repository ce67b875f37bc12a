package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// command is the module of the command line, whose version go.mod says.
const command = "github.com/fluxcd/flux2/v2"

// module is what go mod download tells of one.
type module struct {
	Version, Dir, Sum, Error string
}

// download has a module in the module cache: at the version that go.mod says, verified
// by go.sum, unless the name has one.
func download(name string, env ...string) (module, error) {
	cmd := exec.Command("go", "mod", "download", "-json", name)
	if strings.Contains(name, "@") {
		cmd.Dir = os.TempDir() // outside of this module, whose go.mod it is not in
	}
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	cmd.Env = append(cmd.Env, env...)
	var m module
	text, err := cmd.Output()
	if decoded := json.Unmarshal(text, &m); m.Error != "" || err != nil || decoded != nil {
		return m, fmt.Errorf("download %s: %v %s", name, err, m.Error)
	}
	return m, nil
}

// copyModule copies a module to dir, where it can be written to, and returns its
// version.
func copyModule(name, dir string) (version string, err error) {
	m, err := download(name)
	if err != nil {
		return "", err
	}
	return m.Version, copyFolder(m.Dir, dir)
}

func copyFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), content, 0o644)
	})
}

// build compiles the command line in dir, with the versions of its own go.mod.
func build(dir, version, out string) error {
	flags := "-s -w -X main.VERSION=" + strings.TrimPrefix(version, "v")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", flags, "-o", out, "./cmd/flux")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, bytes.TrimSpace(text))
	}
	return nil
}
