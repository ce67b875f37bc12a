package program

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

// Module is a Go module that one program is built from.
type Module struct {
	Dir       string // from the root of the source tree, as test/cluster
	Name      string // of the program
	LinkFlags string // for go build
	Cache     string // the folder for it in the user's cache
	Title     string // for people, with its article
	Takes     string // how long a build takes, for people

	// Recipe says that the module does not become the program but makes it: it is
	// run with the path to put the program at.
	Recipe bool
}

// Build returns the path of the program, and builds it first if the cache has
// none for these sources and this Go. Two processes may ask at once: the second
// waits for the first. Progress, which may be nil, is told in lines while there
// is a wait.
func (m Module) Build(ctx context.Context, progress io.Writer) (string, error) {
	if progress == nil {
		progress = io.Discard
	}
	source, binary, err := m.place(ctx)
	if err != nil || use(binary) {
		return binary, err
	}
	dir := filepath.Dir(filepath.Dir(binary))
	defer report(progress, fmt.Sprintf("building %s (first time only, takes %s)", m.Title, m.Takes))()
	unlock, err := Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another build of %s: %w", m.Title, err)
	}
	defer unlock()
	if use(binary) {
		return binary, nil
	}
	if err := m.compile(ctx, source, binary); err != nil {
		return "", fmt.Errorf("build %s: %w", m.Title, err)
	}
	forgetOld(dir)
	return binary, nil
}

// Built returns the path of the program if the cache has it.
func (m Module) Built(ctx context.Context) (binary string, ok bool, err error) {
	_, binary, err = m.place(ctx)
	return binary, err == nil && use(binary), err
}

// place returns the folder of the module and where in the cache its program belongs.
func (m Module) place(ctx context.Context) (source, binary string, err error) {
	if source, err = m.sourceDir(); err != nil {
		return "", "", err
	}
	key, err := cacheKey(ctx, source, m.LinkFlags)
	if err != nil {
		return "", "", fmt.Errorf("identify the sources of %s: %w", m.Title, err)
	}
	dir, err := CacheDir(m.Cache)
	return source, filepath.Join(dir, key, m.Name), err
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
func (m Module) compile(ctx context.Context, source, binary string) error {
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return err
	}
	part := binary + ".part"
	args := []string{"build", "-buildvcs=false", "-ldflags", m.LinkFlags, "-o", part, "."}
	if m.Recipe {
		args = []string{"run", "-buildvcs=false", ".", part}
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(output.Bytes()))
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
