package kustomization

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

// gardenSeed repeats a run of TestIncrementalBuilds.
var gardenSeed = flag.Uint64("garden-seed", 0, "seed of the random trees; 0 means another one in every run")

// Whatever changes, a build that remembers yields what one does that remembers nothing,
// and it builds only if it would see something else.
func TestIncrementalBuilds(t *testing.T) {
	const gardens, seasons = 12, 30
	before := http.DefaultTransport
	http.DefaultTransport = kustomize.NoNetwork{} // as in the program, or no transformer is built
	t.Cleanup(func() { http.DefaultTransport = before })
	seed := *gardenSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-garden-seed=%d", seed)
	var sum tally
	for n, grown := uint64(0), 0; grown < gardens; n++ {
		g := newGarden(t, seed, n)
		if walk(t, g, fmt.Sprintf("-garden-seed=%d: garden %d", seed, n), seasons, &sum) {
			grown++
		}
	}
	t.Logf("%+v", sum)
	if sum.Saved < gardens || sum.Built < gardens || sum.Failed > gardens*seasons/2 {
		t.Errorf("the gardens are too dull to show anything: %+v", sum)
	}
}

// walk lets a garden grow for some seasons, and compares in each. What can no longer be
// built is mostly made what it was. It returns false for a garden that never could.
func walk(t *testing.T, g *garden, name string, seasons int, sum *tally) bool {
	o := &observer{w: newWorld(t), spy: &spy{Builder: kustomize.New(kustomize.Config{NoRemoteBases: true})}}
	o.w.r.builder = o.spy
	var good *garden
	for season := range seasons {
		if season > 0 {
			g.grow()
		}
		where := fmt.Sprintf("%s, season %d, %s", name, season, g.said)
		buildable, ok := o.compare(g, where, sum)
		switch {
		case !ok:
			t.Fatalf("the garden is\n%s", g)
		case buildable:
			good = g.cutting()
		case good == nil:
			return false
		case !g.maybe(4):
			g.restore(good)
		}
	}
	return true
}

// tally counts how builds ended, to know that the test is about something.
type tally struct{ Built, Saved, Failed int }

// String shows a garden as it is.
func (g *garden) String() string {
	var b strings.Builder
	spec, _ := json.Marshal(g.spec) // it is one
	fmt.Fprintf(&b, "%s\n%v\n", spec, g.links)
	for _, name := range slices.Sorted(maps.Keys(g.files)) {
		fmt.Fprintf(&b, "-- %s --\n%.400s\n", name, g.files[name])
	}
	return b.String()
}

// observer has two builds of a garden, one of which remembers.
type observer struct {
	w     *world
	spy   *spy
	revs  int
	seen  map[string]string // what the last build that was run saw, by place
	input int               // the inputs that it had
}

// compare builds twice and says whether that is as it should be, and whether there was
// something to build.
func (o *observer) compare(g *garden, where string, sum *tally) (buildable, ok bool) {
	t := o.w.t
	o.revs++
	tree := o.commit(g)
	o.w.ks.Spec.Path = g.spec.Path
	source := o.w.ks.Spec.SourceRef
	o.w.ks.Spec = *g.spec.DeepCopy()
	o.w.ks.Spec.SourceRef = source
	o.w.configs.data = g.vars
	same := o.seen != nil && o.input == g.inputs && o.unchanged(tree)

	remembers := o.w.r.builds
	o.spy.start(tree)
	got, gotErr := o.build()
	ran := o.spy.ran
	o.w.r.builds = render.NewCache(0, nil)
	want, wantErr := o.build()
	o.w.r.builds = remembers

	switch {
	case fmt.Sprint(gotErr) != fmt.Sprint(wantErr):
		t.Errorf("%s: the error is %v, but in full it is %v", where, gotErr, wantErr)
	case gotErr == nil && (got.Digest != want.Digest || !cmp.Equal(objectsOf(got), objectsOf(want))):
		t.Errorf("%s: remembered is %v: (-full +incremental)\n%s", where, got.Cached, cmp.Diff(objectsOf(want), objectsOf(got)))
	case same && ran:
		t.Errorf("%s: it was built although it saw nothing else", where)
	default:
		o.note(tree, g, gotErr, ran, sum)
		return gotErr == nil, true
	}
	return false, false
}

// note keeps what the build saw that is remembered now.
func (o *observer) note(tree *artifacts.Tree, g *garden, err error, ran bool, sum *tally) {
	switch {
	case err != nil:
		sum.Failed++
	case ran:
		sum.Built++
		o.input, o.seen = g.inputs, map[string]string{}
		for place := range o.spy.places {
			o.seen[place] = look(tree, place)
		}
	default:
		sum.Saved++
	}
}

// unchanged says whether the places that the remembered build looked at look the same.
func (o *observer) unchanged(tree fs.FS) bool {
	for place, before := range o.seen {
		if look(tree, place) != before {
			return false
		}
	}
	return true
}

func objectsOf(out render.Output) []string {
	texts := make([]string, len(out.Objects))
	for i, obj := range out.Objects {
		text, _ := obj.MarshalJSON() // it was JSON before
		texts[i] = string(text)
	}
	return texts
}

func (o *observer) build() (render.Output, error) {
	p := &pass{reconciler: o.w.r, obj: o.w.ks.DeepCopy()}
	artifact, err := p.source()
	if err != nil {
		return render.Output{}, err
	}
	return p.build(context.Background(), artifact)
}

// commit makes the garden the artifact.
func (o *observer) commit(g *garden) *artifacts.Tree {
	t := o.w.t
	b := o.w.store.NewBuilder(artifacts.Limits{})
	taken := func(name string) bool { // by a file, in the place of one, or below one
		for other := range g.files {
			if strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
				return true
			}
		}
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(g.files)) {
		mode := fs.FileMode(0o644)
		if g.exec[name] {
			mode = 0o755
		}
		if taken(name) {
			delete(g.files, name)
			continue
		}
		if err := b.AddFile(name, mode, []byte(g.files[name])); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.links)) {
		if _, file := g.files[name]; file || taken(name) {
			continue
		}
		up := strings.Repeat("../", strings.Count(name, "/"))
		if err := b.AddSymlink(name, up+strings.TrimPrefix(g.links[name], "/")); err != nil {
			t.Fatal(err)
		}
	}
	tree, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return o.w.offer(fmt.Sprint("r", o.revs), tree)
}

// spy notes where a build looks, in its own way: by the calls that reach the files.
type spy struct {
	*kustomize.Builder
	tree   *artifacts.Tree
	ran    bool
	places map[string]bool // operation and path
}

func (s *spy) start(tree *artifacts.Tree) { s.tree, s.ran, s.places = tree, false, map[string]bool{} }

// Build implements [Builder].
func (s *spy) Build(ctx context.Context, tree render.Tree, trace *render.Trace, o kustomize.Options) ([][]byte, error) {
	s.ran = true
	return s.Builder.Build(ctx, spied{tree, s}, trace, o)
}

type spied struct {
	render.Tree
	spy *spy
}

func (s spied) Open(name string) (fs.File, error) {
	s.spy.places["read "+name] = true
	return s.Tree.Open(name)
}

func (s spied) ReadFile(name string) ([]byte, error) {
	s.spy.places["read "+name] = true
	return fs.ReadFile(s.Tree, name)
}

func (s spied) ReadDir(name string) ([]fs.DirEntry, error) {
	s.spy.places["list "+name] = true
	return fs.ReadDir(s.Tree, name)
}

func (s spied) Stat(name string) (fs.FileInfo, error) {
	s.spy.places["stat "+name] = true
	return fs.Stat(s.Tree, name)
}

// look returns what is to be seen at a place.
func look(tree fs.FS, place string) string {
	how, name, _ := strings.Cut(place, " ")
	info, err := fs.Stat(tree, name)
	if err != nil {
		return "nothing"
	}
	if how == "stat" {
		return fmt.Sprint("a folder: ", info.IsDir())
	}
	if !info.IsDir() {
		content, err := fs.ReadFile(tree, name)
		return fmt.Sprint(info.Mode(), " ", err, " ", string(content))
	}
	entries, err := fs.ReadDir(tree, name)
	return fmt.Sprint(entries, err)
}

// offer makes a tree the artifact of the source, and returns it as it is stored.
func (w *world) offer(revision string, tree *artifacts.Tree) *artifacts.Tree {
	w.t.Helper()
	w.publish(revision, tree)
	artifact, _ := w.SourceOf(api.GitRepositoryGVK.GroupKind(), "flux-system", "repo")
	owner := artifacts.Owner{Kind: api.GitRepositoryKind, Namespace: "flux-system", Name: "repo"}
	stored, release, err := w.store.Open(owner, artifact.GetArtifact().Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	release()
	return stored
}
