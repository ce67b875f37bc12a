package main

import (
	"fmt"
	"os"

	"github.com/go-logr/logr"
)

// usableCacheDir returns dir if files can be written to it, else the empty string,
// which means to keep artifacts in memory only. A disk that is full, broken or
// mounted with the wrong owner is said, and no reason to leave a cluster alone.
func usableCacheDir(dir string, log logr.Logger) string {
	if dir == "" {
		return ""
	}
	if err := tryToWrite(dir); err != nil {
		log.Error(err, "going on without --cache-dir: artifacts are kept in memory only, so that a restart without the network has none")
		return ""
	}
	return dir
}

func tryToWrite(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	f, err := os.CreateTemp(dir, "try-*")
	if err != nil {
		return fmt.Errorf("write to the directory: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write([]byte("fluxd")); err != nil {
		return fmt.Errorf("write to the directory: %w", err)
	}
	return nil
}
