package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr/funcr"
)

// A directory that cannot be written to costs the cache and nothing else.
func TestUsableCacheDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "a", "b")
	expected := map[string]string{
		"":                             "",
		fresh:                          fresh,
		filepath.Join(file, "cache"):   "",
		"/proc/self/fluxd-cache-is-no": "",
	}
	if held, err := os.ReadDir("/proc/self/fd"); err == nil && len(held) > 0 {
		expected["/proc/self/fd"] = "/proc/self/fd" // it can be read and not written to
	}
	for dir, want := range expected {
		said := 0
		got := usableCacheDir(dir, funcr.New(func(string, string) { said++ }, funcr.Options{}))
		if got != want {
			t.Errorf("%q is used as %q, want %q", dir, got, want)
		}
		if fine := dir == "" || dir == fresh; fine != (said == 0) {
			t.Errorf("%q: %d lines were logged", dir, said)
		}
	}
	if left, err := os.ReadDir(fresh); err != nil || len(left) > 0 {
		t.Errorf("%v was left behind, error %v", left, err)
	}
}
