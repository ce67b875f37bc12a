package kustomize

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
)

// many is a folder of so many small objects, with a kustomization file if asked for.
func many(t *testing.T, n int, kustomized bool) *artifacts.Tree {
	t.Helper()
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := store.NewBuilder(artifacts.Limits{})
	resources := "resources:\n"
	for i := range n {
		name := fmt.Sprintf("%d.yaml", i)
		resources += "- " + name + "\n"
		text := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c%d\ndata:\n", i)
		for j := range 100 {
			text += fmt.Sprintf("  more%d: b\n", j)
		}
		if err := b.AddFile("app/"+name, 0o644, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if kustomized {
		if err := b.AddFile("app/kustomization.yaml", 0o644, []byte(resources)); err != nil {
			t.Fatal(err)
		}
	}
	tree, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// A build that needs more than it is first given goes on with more, and has the same
// result; one that needs more than there can be fails, and says so.
func TestAdmission(t *testing.T) {
	for _, kustomized := range []bool{false, true} {
		tree := many(t, 60, kustomized)
		build := func(memory int64, share *artifacts.Share) (int, error) {
			built, err := New(Config{Limits: Limits{Memory: memory}}).Build(t.Context(), tree, &render.Trace{}, Options{Path: "app", Memory: share})
			return len(built), err
		}
		for name, memory := range map[string]int64{"no bound": 0, "enough": 32 << 20} {
			room := artifacts.NewHeadroom(16 << 20)
			share := room.Share()
			n, err := build(memory, share)
			share.Leave()
			if n != 60 || err != nil {
				t.Errorf("kustomized %t, %s: %d objects, error %v", kustomized, name, n, err)
			}
		}
		if n, err := build(0, nil); n != 60 || err != nil {
			t.Errorf("kustomized %t, without anything: %d objects, error %v", kustomized, n, err)
		}
		_, err := build(1<<20, artifacts.NewHeadroom(16<<20).Share())
		if !errors.Is(err, artifacts.ErrNoHeadroom) || !strings.Contains(err.Error(), "does not fit into memory: what the build reads takes more than 1 MiB") {
			t.Errorf("kustomized %t, too little: %v", kustomized, err)
		}
	}
}

// A build waits for memory without the lock, so that others are built meanwhile.
func TestAdmissionHoldsUpNobody(t *testing.T) {
	tree, small := many(t, 60, true), many(t, 1, true)
	synctest.Test(t, func(t *testing.T) {
		room := artifacts.NewHeadroom(8 << 20)
		fetch := room.Share()
		if err := fetch.Grow(t.Context(), 2<<20); err != nil {
			t.Fatal(err)
		}
		b := New(Config{})
		ended := make(chan error, 1)
		go func() {
			share := room.Share()
			defer share.Leave()
			_, err := b.Build(t.Context(), tree, &render.Trace{}, Options{Path: "app", Memory: share})
			ended <- err
		}()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("the build did not wait: %v", err)
		default:
		}
		if _, err := b.Build(t.Context(), small, &render.Trace{}, Options{Path: "app"}); err != nil {
			t.Errorf("another one: %v", err)
		}
		fetch.Leave()
		if err := <-ended; err != nil {
			t.Errorf("once there is memory: %v", err)
		}
	})
}

// Who waits for memory can be told to stop.
func TestAdmissionIsGivenUp(t *testing.T) {
	room := artifacts.NewHeadroom(2 << 20)
	fetch := room.Share()
	if err := fetch.Grow(t.Context(), 2<<20); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := New(Config{}).Build(ctx, many(t, 1, true), &render.Trace{}, Options{Path: "app", Memory: room.Share()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNodes(t *testing.T) {
	for text, want := range map[string]int64{
		"":                              0,
		"a: b\nc: d\n":                  2,
		"a: some words, and more":       1,
		"a: {b: c, d: [e, f]}":          5,
		`{"a":1,"b":[1,2,3]}`:           6,
		strings.Repeat("a,", 1000):      1001,
		"a: # x: |\n  b: 1\n  c: 2\n":   3,
		"a: [\"x: |\n  y\",1,2,3,[]]\n": 8,
		"a:\n  b: |-\n    x: 1\n\n    y: [1,2]\n  c: >2\n   z\nd: 1\n": 4,
	} {
		if got := nodes([]byte(text)); got != want {
			t.Errorf("%.30q has %d nodes, want %d", text, got, want)
		}
	}
}
