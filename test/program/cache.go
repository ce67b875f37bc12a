package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// keep is how long a program that nobody uses stays in the cache.
const keep = 14 * 24 * time.Hour

// CacheDir is a directory of ours in the user's cache, made if missing.
func CacheDir(name string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	dir := filepath.Join(base, "fluxd", name)
	return dir, os.MkdirAll(dir, 0o755)
}

// sourceDir finds the module: below the working directory or one of its
// parents, or else beside this file.
func (m Module) sourceDir() (string, error) {
	want := filepath.Join(filepath.FromSlash(m.Dir), "go.mod")
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if _, file, _, ok := runtime.Caller(0); ok {
		starts = append(starts, filepath.Dir(file))
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			if exists(filepath.Join(dir, want)) {
				return filepath.Join(dir, filepath.Dir(want)), nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("find %s: it is in no parent of %s", want, strings.Join(starts, " or "))
}

// cacheKey is a hash of all that the program is made of: the module's own
// files, the modules it names, the flags and the Go toolchain.
func cacheKey(ctx context.Context, source, linkFlags string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	cmd.Dir = source
	env, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	files, err := sources(source)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n", env, linkFlags)
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(source, file))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", file, len(content), content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// sources lists the files of the module that go into the program.
func sources(dir string) ([]string, error) {
	files := []string{"go.mod", "go.sum"}
	for _, pattern := range []string{"*.go", "*/*.go"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			if name, err := filepath.Rel(dir, path); err == nil && !strings.HasSuffix(name, "_test.go") {
				files = append(files, name)
			}
		}
	}
	slices.Sort(files)
	return files, nil
}

// Lock waits until this process alone holds the lock file. The kernel lets go
// of it when the process dies.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = Poll(ctx, func(context.Context) error {
		return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}

// forgetOld removes programs that were not used for long. What cannot be
// removed is left for the next time.
func forgetOld(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && entry.IsDir() && time.Since(info.ModTime()) > keep {
			_ = os.RemoveAll(filepath.Join(dir, entry.Name()))
		}
	}
}
