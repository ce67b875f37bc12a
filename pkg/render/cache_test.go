package render

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// files is a tree of digests alone.
type files struct {
	fstest.MapFS
	digests map[string]byte
}

func (f files) FileDigest(path string) (artifacts.Digest, bool) {
	d, ok := f.digests[path]
	return artifacts.Digest{d}, ok
}

func (f files) DirDigest(path string) (artifacts.Digest, bool) {
	return artifacts.Digest{f.digests[path+"/"]}, f.digests[path+"/"] != 0
}

// counter counts builds of one object named after the owner.
type counter struct {
	builds   int
	volatile bool
	err      error
	padding  int
}

func (c *counter) job(owner string, tree Tree) Job {
	return Job{
		Owner: Owner{"n", owner}, Tree: tree, Revision: "r1",
		Build: func(_ context.Context, t *Trace) ([][]byte, error) {
			c.builds++
			t.Content(tree, "a")
			t.Volatile = c.volatile
			document := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q},"data":{"x":%q}}`, owner, noise(c.padding))
			return [][]byte{[]byte(document)}, c.err
		},
	}
}

// noise is text that does not compress.
func noise(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; x = x*1664525 + 1013904223 {
		b.WriteByte('0' + byte(x>>24)%75)
	}
	return strings.ReplaceAll(b.String(), `\`, "/")
}

func render(t *testing.T, c *Cache, j Job) Output {
	t.Helper()
	out, err := c.Render(context.Background(), j)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestInputsDecide(t *testing.T) {
	c, n := NewCache(0, nil), &counter{}
	j := n.job("a", files{})
	render(t, c, j)
	j.Inputs[0]++
	render(t, c, j)
	if n.builds != 2 {
		t.Errorf("%d builds", n.builds)
	}
}

func TestTraceDecides(t *testing.T) {
	cases := map[string]struct {
		look          func(*Trace, Tree)
		before, after map[string]byte
		holds         bool
	}{
		"the same content":         {func(t *Trace, f Tree) { t.Content(f, "a") }, map[string]byte{"a": 1}, map[string]byte{"a": 1, "b": 1}, true},
		"another content":          {func(t *Trace, f Tree) { t.Content(f, "a") }, map[string]byte{"a": 1}, map[string]byte{"a": 2}, false},
		"a file that is gone":      {func(t *Trace, f Tree) { t.Content(f, "a") }, map[string]byte{"a": 1}, nil, false},
		"a file that was missed":   {func(t *Trace, f Tree) { t.Content(f, "a") }, nil, map[string]byte{"a": 1}, false},
		"still missing":            {func(t *Trace, f Tree) { t.Content(f, "a") }, nil, map[string]byte{"b": 1}, true},
		"the kind of a file":       {func(t *Trace, f Tree) { t.Kind(f, "a") }, map[string]byte{"a": 1}, map[string]byte{"a": 2}, true},
		"a file became a folder":   {func(t *Trace, f Tree) { t.Kind(f, "a") }, map[string]byte{"a": 1}, map[string]byte{"a/": 1}, false},
		"something in a new place": {func(t *Trace, f Tree) { t.Kind(f, "a") }, nil, map[string]byte{"a/": 1}, false},
		"the same listing":         {func(t *Trace, f Tree) { t.Listing(f, "a") }, map[string]byte{"a/": 1}, map[string]byte{"a/": 1, "a": 2}, true},
		"another listing":          {func(t *Trace, f Tree) { t.Listing(f, "a") }, map[string]byte{"a/": 1}, map[string]byte{"a/": 2}, false},
		"the first look counts": {func(t *Trace, f Tree) { t.Content(f, "a"); t.Content(files{digests: map[string]byte{"a": 9}}, "a") },
			map[string]byte{"a": 1}, map[string]byte{"a": 1}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var trace Trace
			c.look(&trace, files{digests: c.before})
			if got := trace.record().holds(files{digests: c.after}); got != c.holds {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestVolatileBuilds(t *testing.T) {
	now := time.Unix(0, 0)
	c, n := NewCache(0, func() time.Time { return now }), &counter{volatile: true}
	j := n.job("a", files{})
	for _, step := range []struct {
		revision string
		after    time.Duration
		builds   int
	}{{"r1", 0, 1}, {"r1", time.Second, 1}, {"r2", 0, 2}, {"r2", volatileFor + time.Second, 3}} {
		now = now.Add(step.after)
		j.Revision = step.revision
		if render(t, c, j); n.builds != step.builds {
			t.Errorf("%s after %s: %d builds, want %d", step.revision, step.after, n.builds, step.builds)
		}
	}
}

func TestBudget(t *testing.T) {
	n := &counter{padding: 10_000}
	c := NewCache(25_000, nil)
	for _, owner := range []string{"a", "b", "a", "c"} { // b was used least recently
		render(t, c, n.job(owner, files{}))
	}
	if s := c.Stats(); s.Builds != 2 || s.Used > s.Budget || s.Used < 15_000 || s.Hits != 1 || s.Misses != 3 {
		t.Errorf("got %+v", s)
	}
	for owner, kept := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, ok := c.builds[Owner{"n", owner}]; ok != kept {
			t.Errorf("%s is kept: %v", owner, ok)
		}
	}
	render(t, c, (&counter{padding: 50_000}).job("large", files{}))
	if _, ok := c.builds[Owner{"n", "large"}]; ok {
		t.Error("a build over the budget is kept")
	}
}

func TestForget(t *testing.T) {
	c, n := NewCache(0, nil), &counter{}
	render(t, c, n.job("a", files{}))
	c.Forget(Owner{"n", "a"})
	c.Forget(Owner{"n", "a"})
	if s := c.Stats(); s.Builds != 0 || s.Used != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestFailuresAreNotRemembered(t *testing.T) {
	c, n := NewCache(0, nil), &counter{err: errors.New("broken")}
	for range 2 {
		if _, err := c.Render(context.Background(), n.job("a", files{})); !errors.Is(err, n.err) {
			t.Errorf("got %v", err)
		}
	}
	if n.builds != 2 {
		t.Errorf("%d builds", n.builds)
	}
}

func TestDocumentsThatAreNoObjects(t *testing.T) {
	for name, document := range map[string]string{
		"no name": `{"apiVersion":"v1","kind":"Secret","data":{"k":"hunter2"}}`, "no kind": `{"apiVersion":"v1","metadata":{"name":"hunter2"}}`,
		"no apiVersion": `{"kind":"Secret","metadata":{"name":"hunter2"}}`, "no JSON": `hunter2`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([][]byte{[]byte(document)})
			if !errors.Is(err, ErrNoObject) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestKustomizationsAreLeftOut(t *testing.T) {
	out, err := parse([][]byte{
		[]byte(`{"apiVersion":"kustomize.config.k8s.io/v1beta1","kind":"Kustomization","metadata":{"name":"a"}}`),
		[]byte(`{"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization","metadata":{"name":"a"}}`),
	})
	if err != nil || len(out.Objects) != 1 || out.Objects[0].GetAPIVersion() != "kustomize.toolkit.fluxcd.io/v1" {
		t.Errorf("got %v, %v", out.Objects, err)
	}
}
