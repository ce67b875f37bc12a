package controlplane

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestSources(t *testing.T) {
	dir, err := sourceDir()
	if err != nil {
		t.Fatal(err)
	}
	files, err := sources(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"go.mod", "go.sum", "main.go", "nodes/decide.go"} {
		if !slices.Contains(files, want) {
			t.Errorf("sources %v lack %s", files, want)
		}
	}
	if slices.Contains(files, "nodes/decide_test.go") {
		t.Error("a test counts as a source of the program")
	}
}

func TestVersionIsTheModules(t *testing.T) {
	dir, err := sourceDir()
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "k8s.io/kubernetes v" + version + "\n"; !bytes.Contains(module, []byte(want)) {
		t.Errorf("the program would say v%s, which is not the Kubernetes in go.mod", version)
	}
}
