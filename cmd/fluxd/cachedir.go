package main

import (
	"fmt"
	"os"

	"github.com/go-logr/logr"
)

// usableCacheDir returns dir if files can be written to it or at least read from it, else
// the empty string, which means to keep artifacts in memory only. A disk that is full,
// broken, read-only or mounted with the wrong owner is said, and no reason to leave a
// cluster alone. What such a disk still holds is worth most when there is no network.
func usableCacheDir(dir string, log logr.Logger) string {
	if dir == "" {
		return ""
	}
	err := tryToWrite(dir)
	if err == nil {
		return dir
	}
	if held, unreadable := os.ReadDir(dir); unreadable == nil && len(held) > 0 {
		log.Error(err, "going on with what is in --cache-dir, to which nothing is added: a restart without the network may find it out of date and unused")
		return dir
	}
	log.Error(err, "going on without --cache-dir: artifacts are kept in memory only, so that a restart without the network has none")
	return ""
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
