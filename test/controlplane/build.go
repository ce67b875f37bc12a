package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// version is the Kubernetes that test/cluster/go.mod asks for, without the v.
const (
	version      = "1.37.2"
	versionMajor = "1"
	versionMinor = "37"
)

// linkFlags make the program say which version it is; without them the API
// server reports v0.0.0, which clients refuse.
const linkFlags = "-s -w" +
	" -X k8s.io/component-base/version.gitVersion=v" + version +
	" -X k8s.io/component-base/version.gitMajor=" + versionMajor +
	" -X k8s.io/component-base/version.gitMinor=" + versionMinor +
	" -X k8s.io/client-go/pkg/version.gitVersion=v" + version

// Build returns the path of the control plane program, and builds it first if
// the cache has none for these sources and this Go. Two processes may ask at
// once: the second waits for the first. Progress, which may be nil, is told in
// lines while there is a wait.
func Build(ctx context.Context, progress io.Writer) (string, error) {
	if progress == nil {
		progress = io.Discard
	}
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	key, err := cacheKey(ctx, source)
	if err != nil {
		return "", fmt.Errorf("identify the control plane's sources: %w", err)
	}
	dir, err := cacheDir("control-plane")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, key, "fluxd-test-cluster")
	if use(binary) {
		return binary, nil
	}
	defer report(progress, "building the control plane (first time only, takes some minutes)")()
	unlock, err := lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another build of the control plane: %w", err)
	}
	defer unlock()
	if use(binary) {
		return binary, nil
	}
	if err := compile(ctx, source, binary); err != nil {
		return "", fmt.Errorf("build the control plane: %w", err)
	}
	forgetOld(dir)
	return binary, nil
}

// use tells whether binary exists, and marks it as used just now.
func use(binary string) bool {
	now := time.Now()
	return os.Chtimes(filepath.Dir(binary), now, now) == nil && exists(binary)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// compile builds the module in source and puts the program in place only when
// it is whole.
func compile(ctx context.Context, source, binary string) error {
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return err
	}
	part := binary + ".part"
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags", linkFlags, "-o", part, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, bytes.TrimSpace(output.Bytes()))
	}
	return os.Rename(part, binary)
}

// report prints what goes on, at first and then every while with the time it
// has taken, until the function it returns is called.
func report(w io.Writer, what string) (done func()) {
	began, stop := time.Now(), make(chan struct{})
	fmt.Fprintf(w, "%s...\n", what)
	var printing sync.WaitGroup
	printing.Go(func() {
		ticker := time.NewTicker(20 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				fmt.Fprintf(w, "%s... %s\n", what, time.Since(began).Round(time.Second))
			}
		}
	})
	return func() {
		close(stop)
		printing.Wait()
		fmt.Fprintf(w, "%s: %s\n", what, time.Since(began).Round(time.Second))
	}
}
