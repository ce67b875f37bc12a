package program

import (
	"slices"
	"testing"
)

func TestSources(t *testing.T) {
	dir, err := Module{Dir: "test/cluster"}.sourceDir()
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

func TestMissingModule(t *testing.T) {
	if dir, err := (Module{Dir: "test/no-such-module"}).sourceDir(); err == nil {
		t.Errorf("found a module that is not there: %s", dir)
	}
}
