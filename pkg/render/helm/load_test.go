package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/helm"
)

const chartYAML = "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: \"4\"\n"

// archive packs files as helm package does. A size is that of zeros.
func archive(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWhereChartsLie(t *testing.T) {
	packed := archive(t, map[string]string{"web/Chart.yaml": chartYAML, "web/templates/a.yaml": "a: b"})
	for name, tree := range map[string]fstest.MapFS{
		"an archive":           {"web-1.2.3.tgz": {Data: packed}},
		"an archive, unnamed":  {"layer": {Data: packed}},
		"a folder":             {"web/Chart.yaml": {Data: []byte(chartYAML)}, "web/templates/a.yaml": {}},
		"the root":             {"Chart.yaml": {Data: []byte(chartYAML)}, "templates/a.yaml": {}, "charts/x/Chart.yaml": {Data: []byte(strings.Replace(chartYAML, "web", "x", 1))}},
		"a folder with a file": {"web/Chart.yaml": {Data: []byte(chartYAML)}, "LICENSE": {}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := NewCharts(ChartOptions{}).Load(t.Context(), "sha256:a", tree, nil)
			if err != nil || c.Identity() != (Identity{"web", "1.2.3", "4"}) {
				t.Errorf("got %+v, %v", c, err)
			}
		})
	}
}

func TestChartsThatAreNone(t *testing.T) {
	text := func(chart string) fstest.MapFS { return fstest.MapFS{"web/Chart.yaml": {Data: []byte(chart)}} }
	packed := func(files map[string]string) fstest.MapFS { return fstest.MapFS{"a.tgz": {Data: archive(t, files)}} }
	zeros := strings.Repeat("\x00", 6<<20)
	for name, c := range map[string]struct {
		tree fstest.MapFS
		err  string
	}{
		"nothing":                        {fstest.MapFS{}, "neither one packaged chart nor a folder"},
		"two folders without a chart":    {fstest.MapFS{"a/x": {}, "b/x": {}}, "neither one packaged chart nor a folder"},
		"no archive":                     {fstest.MapFS{"a.tgz": {Data: []byte("text")}}, "it is no compressed archive"},
		"an archive that ends":           {fstest.MapFS{"a.tgz": {Data: archive(t, map[string]string{"web/Chart.yaml": chartYAML})[:40]}}, "the archive ends too early"},
		"no name":                        {text("apiVersion: v2\nversion: 1.0.0"), "chart.metadata.name is required"},
		"a name that is null":            {text("apiVersion: v2\nname: null\nversion: 1.0.0"), "chart.metadata.name is required"},
		"a name that leads out":          {text("apiVersion: v2\nname: ../../etc\nversion: 1.0.0"), `chart.metadata.name "../../etc" is invalid`},
		"a name that is dots":            {text("apiVersion: v2\nname: ..\nversion: 1.0.0"), `chart.metadata.name ".." is not allowed`},
		"no version":                     {text("apiVersion: v2\nname: a"), "chart.metadata.version is required"},
		"a version that is none":         {text("apiVersion: v2\nname: a\nversion: latest"), `chart.metadata.version "latest" is invalid`},
		"nothing in it":                  {text(""), "chart.metadata.name is required"},
		"no YAML":                        {text("["), "cannot load Chart.yaml"},
		"a dependency that is null":      {text(chartYAML + "dependencies: [null]"), "dependencies must not contain empty or null nodes"},
		"an alias that leads out":        {text(chartYAML + "dependencies: [{name: a, version: 1, alias: ../b}]"), "has disallowed characters in the alias"},
		"a subchart without a name":      {fstest.MapFS{"Chart.yaml": {Data: []byte(chartYAML)}, "charts/a/Chart.yaml": {Data: []byte("apiVersion: v2\nname: null\nversion: 1.0.0")}}, "chart.metadata.name is required"},
		"default values that are no map": {fstest.MapFS{"Chart.yaml": {Data: []byte(chartYAML)}, "values.yaml": {Data: []byte("[]")}}, "cannot load values.yaml"},
		"a file outside":                 {packed(map[string]string{"web/../../etc/passwd": "x", "web/Chart.yaml": chartYAML}), "leads out of it"},
		"an absolute file":               {packed(map[string]string{"/etc/passwd": "x", "web/Chart.yaml": chartYAML}), "absolute or outward path"},
		"a bomb":                         {packed(map[string]string{"web/Chart.yaml": chartYAML, "web/zeros": zeros}), "larger than the maximum of 5242880 bytes"},
		"a bomb in a subchart":           {packed(map[string]string{"web/Chart.yaml": chartYAML, "web/charts/a.tgz": string(archive(t, map[string]string{"a/zeros": zeros}))}), "larger than the maximum of 5242880 bytes"},
		"YAML that explodes":             {text(chartYAML + "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n"), "excessive aliasing"},
	} {
		t.Run(name, func(t *testing.T) {
			charts := NewCharts(ChartOptions{})
			_, err := charts.Load(t.Context(), "sha256:a", c.tree, nil)
			if err == nil || !strings.Contains(err.Error(), c.err) || !errors.Is(err, ErrChart) && !errors.Is(err, helm.ErrTooLarge) {
				t.Errorf("got %.300v", err)
			}
			if s := charts.Stats(); s.Charts != 0 || s.Used != 0 {
				t.Errorf("what failed is remembered: %+v", s)
			}
		})
	}
}

// counted counts how often a tree is read.
type counted struct {
	tree  fstest.MapFS
	mu    sync.Mutex
	reads int
}

func (c *counted) Open(name string) (fs.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return c.tree.Open(name)
}

func TestChartsAreLoadedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := &counted{tree: fstest.MapFS{"Chart.yaml": {Data: []byte(chartYAML)}, "templates/a.yaml": {Data: []byte("a: b")}}}
		charts := NewCharts(ChartOptions{Idle: time.Minute})
		var all sync.WaitGroup
		loaded := make([]*Chart, 8)
		for i := range loaded {
			all.Go(func() { loaded[i], _ = charts.Load(t.Context(), "sha256:a", tree, nil) })
		}
		all.Wait()
		for _, c := range loaded {
			if c == nil || c != loaded[0] {
				t.Fatalf("got %p, want %p", c, loaded[0])
			}
		}
		if s := charts.Stats(); s.Loads != 1 || s.Charts != 1 || s.Used == 0 {
			t.Errorf("got %+v", s)
		}

		time.Sleep(50 * time.Second)
		if _, err := charts.Load(t.Context(), "sha256:a", nil, nil); err != nil { // asked for: it stays for another minute
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if s := charts.Stats(); s.Charts != 1 {
			t.Errorf("a chart that is asked for is gone: %+v", s)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if s := charts.Stats(); s.Charts != 0 || s.Used != 0 {
			t.Errorf("a chart that nobody asks for is there: %+v", s)
		}
		before := tree.reads
		if id, err := charts.Identity(t.Context(), "sha256:a", tree, nil); err != nil || id.Name != "web" || tree.reads != before {
			t.Errorf("got %+v, %v after %d reads", id, err, tree.reads-before)
		}
		if _, err := charts.Load(t.Context(), "sha256:a", tree, nil); err != nil || tree.reads == before {
			t.Errorf("not read again: %v", err)
		}
	})
}

// Somebody who loads a chart may wait for the memory that is held by whoever waits for the
// chart. It is loaded a second time then.
func TestChartsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		charts := NewCharts(ChartOptions{})
		room := artifacts.NewHeadroom(1 << 20)
		older, younger := room.Share(), room.Share()
		if err := older.Grow(t.Context(), 600_000); err != nil {
			t.Fatal(err)
		}
		tree := fstest.MapFS{"Chart.yaml": {Data: []byte(chartYAML)}, "f": {Data: make([]byte, 100_000)}}
		done := make(chan error)
		go func() {
			_, err := charts.Load(t.Context(), "sha256:a", tree, younger)
			done <- err
		}()
		synctest.Wait()
		if c, err := charts.Load(t.Context(), "sha256:a", tree, older); err != nil || c.id.Name != "web" {
			t.Errorf("got %v, %v", c, err)
		}
		older.Leave()
		if err := <-done; err != nil {
			t.Error(err)
		}
		younger.Leave()
		if _, err := renderer.Render(t.Context(), func() Input {
			in := input(chartOf(t, "-- f --\n"+strings.Repeat("x", 300_000)))
			in.Memory = room.Share()
			return in
		}()); !errors.Is(err, artifacts.ErrNoHeadroom) {
			t.Errorf("a chart that does not fit: got %v", err)
		}
	})
}

func TestChartsBudget(t *testing.T) {
	charts := NewCharts(ChartOptions{Budget: 20_000})
	load := func(digest string, size int) {
		t.Helper()
		tree := fstest.MapFS{"Chart.yaml": {Data: []byte(chartYAML)}, "f": {Data: make([]byte, size)}}
		if _, err := charts.Load(t.Context(), digest, tree, nil); err != nil {
			t.Fatal(err)
		}
	}
	load("a", 6000)
	load("b", 6000)
	load("a", 6000)
	load("c", 9000) // b was used least recently
	for digest, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, ok := charts.loaded[digest]; ok != want {
			t.Errorf("%s is loaded: %v", digest, ok)
		}
	}
	load("large", 50_000)
	if s := charts.Stats(); s.Charts != 0 || s.Used != 0 {
		t.Errorf("a chart over the budget is kept: %+v", s)
	}
}

// A chart that is rendered stays as it is, and what templates do to values stays theirs.
func TestChartsNeverChange(t *testing.T) {
	c := chartOf(t, `-- Chart.yaml --
apiVersion: v2
name: web
version: 1.2.3
dependencies: [{name: sub, version: "*", alias: other, import-values: [{child: a, parent: b}]}, {name: off, version: "*", condition: never}]
-- values.yaml --
v: {w: 1}
never: false
-- templates/a.yaml --
a: {{ list (set .Values.v "w" 2) (set .Values.other "x" 3 | len) (set .Chart "Name" "y" | len) .Values.b.c | toJson }}
-- charts/sub/Chart.yaml --
apiVersion: v2
name: sub
version: 1.0.0
-- charts/sub/values.yaml --
a: {c: 1}
-- charts/off/Chart.yaml --
apiVersion: v2
name: off
version: 1.0.0
`)
	in := input(c)
	in.Version, in.Values = "9.9.9", map[string]any{"v": map[string]any{"u": map[string]any{}}}
	first, err := renderer.Render(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	second, err := renderer.Render(t.Context(), in)
	if err != nil || first.Manifest != second.Manifest {
		t.Errorf("got %q, and then %q, %v", first.Manifest, second.Manifest, err)
	}
	stored := first.Chart
	if stored.Metadata.Version != "9.9.9" || len(stored.Metadata.Dependencies) != 1 || stored.Metadata.Dependencies[0].Name != "other" || stored.Values["b"] == nil {
		t.Errorf("the release is to hold %+v with %v", stored.Metadata, stored.Values)
	}
	if m := c.stored.Metadata; m.Version != "1.2.3" || len(m.Dependencies) != 2 || m.Dependencies[0].Name != "sub" || c.stored.Values["b"] != nil {
		t.Errorf("the chart is now %+v with %v", m, c.stored.Values)
	}
	if len(in.Values["v"].(map[string]any)) != 1 {
		t.Errorf("the values are now %v", in.Values)
	}
}
