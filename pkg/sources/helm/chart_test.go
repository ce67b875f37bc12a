package helm

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/helm/helmtest"
)

type member = helmtest.Member

func pack(members ...member) []byte { return helmtest.Pack(members...) }

func manifest(name, version string, more ...string) string {
	return helmtest.Manifest(name, version, more...)
}

func files(t testing.TB, archive []byte) map[string]string {
	t.Helper()
	got, err := helmtest.Files(archive)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestBadArchives(t *testing.T) {
	good := helmtest.Chart("a", "1.0.0")
	zeros := strings.Repeat("\x00", 4<<20)
	many := []member{{Name: "a/Chart.yaml", Content: manifest("a", "1.0.0")}}
	for i := range 300 {
		many = append(many, member{Name: fmt.Sprintf("a/f%d", i)})
	}
	nested := good
	for range maxNesting + 1 {
		nested = pack(member{Name: "a/Chart.yaml", Content: manifest("a", "1.0.0")}, member{Name: "a/charts/a.tgz", Content: string(nested)})
	}
	bomb := pack(member{Name: "a/Chart.yaml", Content: manifest("a", "1.0.0")}, member{Name: "a/x", Content: zeros}, member{Name: "a/y", Content: zeros})
	limits := Limits{Total: 10 << 20, Files: 200}
	for name, tc := range map[string]struct {
		archive []byte
		want    error
	}{
		"good":                    {good, nil},
		"nothing":                 {nil, ErrChart},
		"a page":                  {[]byte("<html>sign in</html>"), ErrChart},
		"an empty archive":        {pack(), ErrChart},
		"cut":                     {good[:len(good)/2], ErrChart},
		"cut in the checksum":     {good[:len(good)-4], ErrChart},
		"damaged":                 {append(slices.Clone(good[:len(good)-8]), 1, 2, 3, 4, 5, 6, 7, 8), ErrChart},
		"a large file":            {pack(member{Name: "a/Chart.yaml", Content: zeros + zeros}), ErrTooLarge},
		"large files":             {pack(member{Name: "a/x", Content: zeros}, member{Name: "a/y", Content: zeros}, member{Name: "a/z", Content: zeros}), ErrTooLarge},
		"many files":              {pack(many...), ErrTooLarge},
		"nested bombs":            {pack(member{Name: "a/charts/a.tgz", Content: string(bomb)}, member{Name: "a/charts/b.tgz", Content: string(bomb)}), ErrTooLarge},
		"nested without end":      {nested, ErrChart},
		"a nested page":           {helmtest.Chart("a", "1.0.0", member{Name: "a/charts/b.tgz", Content: "<html>"}), ErrChart},
		"a path that leads out":   {helmtest.Chart("a", "1.0.0", member{Name: "a/../../x"}), ErrChart},
		"an absolute path":        {helmtest.Chart("a", "1.0.0", member{Name: "/etc/passwd"}), ErrChart},
		"an absolute inner path":  {helmtest.Chart("a", "1.0.0", member{Name: "a//etc/passwd"}), ErrChart},
		"a Windows path":          {helmtest.Chart("a", "1.0.0", member{Name: `a\..\..\x`}), ErrChart},
		"a drive":                 {helmtest.Chart("a", "1.0.0", member{Name: `a\c:\x`}), ErrChart},
		"a file beside the chart": {helmtest.Chart("a", "1.0.0", member{Name: "x"}), ErrChart},
		"no Chart.yaml":           {pack(member{Name: "a/values.yaml"}), ErrChart},
		"a bad Chart.yaml":        {pack(member{Name: "a/Chart.yaml", Content: "["}), ErrChart},
		"no name":                 {pack(member{Name: "a/Chart.yaml", Content: manifest("''", "1.0.0")}), ErrChart},
		"a name that leads out":   {pack(member{Name: "a/Chart.yaml", Content: manifest("../a", "1.0.0")}), ErrChart},
		"a version that is none":  {pack(member{Name: "a/Chart.yaml", Content: manifest("a", "latest")}), ErrChart},
		"a symbolic link is an empty file, as to Helm": {helmtest.Chart("a", "1.0.0", member{Name: "a/passwd", Content: "/etc/passwd", Type: tar.TypeSymlink}), nil},
		"folders": {helmtest.Chart("a", "1.0.0", member{Name: "a/", Content: "", Type: tar.TypeDir}, member{Name: "a/templates/", Content: "", Type: tar.TypeDir}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Inspect(t.Context(), tc.archive, limits)
			if !errors.Is(err, tc.want) || err == nil && got != (Identity{"a", "1.0.0"}) {
				t.Errorf("Inspect: got %v, %v, want %v", got, err, tc.want)
			}
			if _, err := Load(t.Context(), tc.archive, limits); !errors.Is(err, tc.want) {
				t.Errorf("Load: got %v, want %v", err, tc.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, good, limits); !errors.Is(err, context.Canceled) {
		t.Errorf("who is told to stop gets %v", err)
	}
	small := Limits{Memory: artifacts.NewHeadroom(10).Share()}
	if _, err := Load(t.Context(), good, small); !errors.Is(err, artifacts.ErrNoHeadroom) {
		t.Errorf("without memory: got %v", err)
	}
}

func tree(files map[string]string) fs.FS {
	m := make(fstest.MapFS)
	for name, content := range files {
		m[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return m
}

func TestLoadDir(t *testing.T) {
	source := map[string]string{
		"charts/a/Chart.yaml":           "\ufeff" + manifest("a", "1.0.0"),
		"charts/a/values.yaml":          "x: 1\n",
		"charts/a/.helmignore":          "# no secrets\n*.bak\n/private/\n.git\n",
		"charts/a/README.md":            "read me",
		"charts/a/old.bak":              "no",
		"charts/a/private/key":          "no",
		"charts/a/templates/b.yaml":     "b",
		"charts/a/templates/.hidden":    "no",
		"charts/a/templates/a.yaml":     "a",
		"charts/a/charts/s/Chart.yaml":  manifest("s", "0.1.0"),
		"charts/a/charts/s/values.yaml": "",
		"charts/a/charts/t-2.tgz":       string(helmtest.Chart("t", "2.0.0")),
		"charts/a/values.schema.json":   "{}",
		"outside":                       "no",
	}
	c, err := LoadDir(t.Context(), tree(source), "charts/a", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Stored().Metadata; got.Name != "a" || got.Version != "1.0.0" {
		t.Errorf("it is %s %s", got.Name, got.Version)
	}
	archive, err := c.Pack()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a/.helmignore", "a/Chart.yaml", "a/README.md", "a/charts/s/Chart.yaml", "a/charts/s/values.yaml",
		"a/charts/t/Chart.yaml", "a/charts/t/templates/x.yaml", "a/charts/t/values.yaml",
		"a/templates/a.yaml", "a/templates/b.yaml", "a/values.schema.json", "a/values.yaml",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(files(t, archive)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range 5 { // the same bytes every time
		again, err := LoadDir(t.Context(), tree(source), "charts/a", Limits{})
		if err != nil {
			t.Fatal(err)
		}
		other, err := again.Pack()
		if err != nil || !bytes.Equal(archive, other) {
			t.Fatalf("the package differs: %v", err)
		}
	}
	if _, err := Inspect(t.Context(), archive, Limits{}); err != nil {
		t.Errorf("the package is no chart: %v", err)
	}
}

func TestLoadDirRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no Chart.yaml":         {"a/values.yaml": ""},
		"no folder":             {"b/Chart.yaml": manifest("b", "1.0.0")},
		"double stars":          {"a/Chart.yaml": manifest("a", "1.0.0"), "a/.helmignore": "**/x\n"},
		"values that are none":  {"a/Chart.yaml": manifest("a", "1.0.0"), "a/values.yaml": "- x\n"},
		"a lock that is none":   {"a/Chart.yaml": manifest("a", "1.0.0"), "a/Chart.lock": "[x"},
		"a subchart without it": {"a/Chart.yaml": manifest("a", "1.0.0"), "a/charts/s/values.yaml": ""},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := LoadDir(t.Context(), tree(files), "a", Limits{}); err == nil {
				t.Error("it was loaded")
			}
		})
	}
}

func TestMergeValues(t *testing.T) {
	own := map[string]string{
		"Chart.yaml": manifest("a", "1.0.0"), "values.yaml": "color: red\nnested: {a: 1, b: 2}\nlist: [1, 2]\n",
		"prod.yaml": "nested: {b: 3}\nlist: [9]\n", "empty.yaml": "", "bad.yaml": "[", "text.yaml": "text",
	}
	outside := map[string]string{"env/values.yaml": "color: blue\n", "env/deep/x.yaml": "nested: {c: null}\n"}
	for name, tc := range map[string]struct {
		values Values
		tree   fs.FS
		used   []string
		want   string
		err    error
	}{
		"none":                    {Values{}, nil, nil, own["values.yaml"], nil},
		"the defaults alone":      {Values{Files: []string{"./values.yaml"}}, nil, nil, own["values.yaml"], nil},
		"the defaults and more":   {Values{Files: []string{"values.yaml", "prod.yaml"}}, nil, []string{"values.yaml", "prod.yaml"}, "color: red\nlist:\n- 9\nnested:\n  a: 1\n  b: 3\n", nil},
		"in the other order":      {Values{Files: []string{"prod.yaml", "values.yaml"}}, nil, []string{"prod.yaml", "values.yaml"}, "color: red\nlist:\n- 1\n- 2\nnested:\n  a: 1\n  b: 2\n", nil},
		"others alone":            {Values{Files: []string{"prod.yaml"}}, nil, []string{"prod.yaml"}, "list:\n- 9\nnested:\n  b: 3\n", nil},
		"an empty one":            {Values{Files: []string{"empty.yaml"}}, nil, []string{"empty.yaml"}, "", nil},
		"one that is missing":     {Values{Files: []string{"prod.yaml", "gone.yaml"}}, nil, nil, "", ErrValues},
		"one that may be missing": {Values{Files: []string{"gone.yaml", "prod.yaml"}, IgnoreMissing: true}, nil, []string{"prod.yaml"}, "list:\n- 9\nnested:\n  b: 3\n", nil},
		"all are missing":         {Values{Files: []string{"gone.yaml"}, IgnoreMissing: true}, nil, []string{}, "", nil},
		"one that does not parse": {Values{Files: []string{"bad.yaml"}}, nil, nil, "", ErrValues},
		"one that is no map":      {Values{Files: []string{"text.yaml"}}, nil, nil, "", ErrValues},
		"of the tree":             {Values{Files: []string{"env/values.yaml", "env/deep/x.yaml"}}, tree(outside), []string{"env/values.yaml", "env/deep/x.yaml"}, "color: blue\nnested:\n  c: null\n", nil},
		"a path that leads out":   {Values{Files: []string{"../../env/values.yaml"}}, tree(outside), []string{"../../env/values.yaml"}, "color: blue\n", nil},
		"a folder":                {Values{Files: []string{"env"}}, tree(outside), nil, "", ErrValues},
		"a folder is not missing": {Values{Files: []string{"env"}, IgnoreMissing: true}, tree(outside), nil, "", ErrValues},
		"the tree, not the chart": {Values{Files: []string{"prod.yaml"}}, tree(outside), nil, "", ErrValues},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := LoadDir(t.Context(), tree(own), ".", Limits{})
			if err != nil {
				t.Fatal(err)
			}
			used, err := c.MergeValues(tc.tree, tc.values)
			if !errors.Is(err, tc.err) {
				t.Fatalf("got %v, want %v", err, tc.err)
			}
			if err != nil {
				return
			}
			archive, err := c.Pack()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, files(t, archive)["a/values.yaml"]); diff != "" || !slices.Equal(used, tc.used) {
				t.Errorf("used %v (-want +got):\n%s", used, diff)
			}
		})
	}
	c, err := Load(t.Context(), pack(member{Name: "a/Chart.yaml", Content: manifest("a", "1.0.0")}, member{Name: "a/x.yaml", Content: "x: 1"}), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.MergeValues(nil, Values{Files: []string{"x.yaml"}}); !errors.Is(err, ErrValues) {
		t.Errorf("a chart without defaults: got %v", err)
	}
}

func TestWithMetadata(t *testing.T) {
	for name, tc := range map[string]struct{ version, metadata, want string }{
		"added":            {"6.0.3", "2", "6.0.3+2"},
		"replaced":         {"6.0.3+old", "4e5cbb7b97d0.2", "6.0.3+4e5cbb7b97d0.2"},
		"a pre-release":    {"6.0.3-rc.1", "2", "6.0.3-rc.1+2"},
		"of another form":  {"v6", "2", "6.0.0+2"},
		"no version":       {"latest", "2", ""},
		"no good metadata": {"6.0.3", "a_b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := WithMetadata(tc.version, tc.metadata)
			if got != tc.want || (err != nil) != (tc.want == "") {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

// shelf is a repository in memory.
type shelf map[Want][]byte

func (s shelf) Pull(_ context.Context, wants []Want, _ int64) (map[Want][]byte, error) {
	for _, w := range wants {
		if s[w] == nil {
			return nil, fmt.Errorf("%w: %v", ErrNoChart, w)
		}
	}
	return s, nil
}

func TestResolve(t *testing.T) {
	repositories := func(_ context.Context, url string) (Puller, error) {
		switch url {
		case "https://charts.test/stable/", "oci://charts.test/stable":
			return shelf{{"x", "1.x"}: helmtest.Chart("x", "1.2.0"), {"w", "2.0.0"}: helmtest.Chart("w", "2.0.0"), {"bad", "1"}: []byte("<html>")}, nil
		}
		return nil, fmt.Errorf("%w %s", ErrURL, url)
	}
	local := map[string]string{
		"libs/l/Chart.yaml": manifest("l", "0.3.0"), "libs/l/values.yaml": "", "libs/m-1.tgz": string(helmtest.Chart("m", "1.0.0")),
	}
	dep := func(name, version, repository string, more ...string) string {
		return fmt.Sprintf("- {name: %s, version: %q, repository: %q%s}\n", name, version, repository, strings.Join(more, ""))
	}
	for name, tc := range map[string]struct {
		files map[string]string // of app/
		want  []string          // Chart.yaml files below charts
		count int
		fails string
	}{
		"none": {files: map[string]string{"Chart.yaml": manifest("app", "1.0.0")}},
		"of a server and of a registry": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("x", "1.x", "https://charts.test/stable"), dep("w", "2.0.0", "oci://charts.test/stable/"))},
			want:  []string{"app/charts/w/Chart.yaml", "app/charts/x/Chart.yaml"}, count: 2,
		},
		"of the tree": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("l", ">=0.1", "file://../libs/l"), dep("m", "1.0.0", "file://../libs/m-1.tgz"))},
			want:  []string{"app/charts/l/Chart.yaml", "app/charts/m/Chart.yaml"}, count: 2,
		},
		"by other names": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("x", "1.x", "https://charts.test/stable/", ", alias: one"), dep("x", "1.x", "https://charts.test/stable/", ", alias: two"), dep("l", "*", "file://../libs/l", ", alias: three"))},
			want:  []string{"app/charts/one/Chart.yaml", "app/charts/three/Chart.yaml", "app/charts/two/Chart.yaml"}, count: 3,
		},
		"some are there": {
			files: map[string]string{
				"Chart.yaml":          manifest("app", "1.0.0", "dependencies:\n", dep("x", "1.x", "https://charts.test/stable"), dep("v", "1.0.0", "https://gone.test")),
				"charts/v/Chart.yaml": manifest("v", "1.0.0"),
			},
			want: []string{"app/charts/v/Chart.yaml", "app/charts/x/Chart.yaml"}, count: 1,
		},
		"all are there": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("v", "1.0.0", "")), "charts/v/Chart.yaml": manifest("v", "1.0.0")},
			want:  []string{"app/charts/v/Chart.yaml"},
		},
		"the lock wins": {
			files: map[string]string{
				"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("w", "*", "https://gone.test")),
				"Chart.lock": "generated: 2024-01-01T00:00:00Z\ndigest: x\ndependencies:\n" + dep("w", "2.0.0", "https://charts.test/stable"),
			},
			want: []string{"app/charts/w/Chart.yaml"}, count: 1,
		},
		"requirements.yaml": {
			files: map[string]string{"Chart.yaml": "apiVersion: v1\nname: app\nversion: 1.0.0\n", "requirements.yaml": "dependencies:\n" + dep("w", "2.0.0", "https://charts.test/stable")},
			want:  []string{"app/charts/w/Chart.yaml"}, count: 1,
		},
		"missing on the server": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("z", "1", "https://charts.test/stable"))}, fails: "remote dependency 'z'",
		},
		"no server": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("z", "1", "https://gone.test"))}, fails: "remote dependency 'z'",
		},
		"no chart": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("bad", "1", "https://charts.test/stable"))}, fails: "dependency 'bad'",
		},
		"an alias of a repository": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("z", "1", "@stable"))}, fails: "scheme",
		},
		"no repository": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("z", "1", ""))}, fails: "no repository",
		},
		"missing in the tree": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("z", "1", "file://../libs/z"))}, fails: "no chart found at 'libs/z'",
		},
		"a path that leads out": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("z", "1", "file://../../../etc"))}, fails: "no chart found at 'etc'",
		},
		"another version": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("l", "^2", "file://../libs/l"))}, fails: "constraint '^2'",
		},
		"a version that is none": {
			files: map[string]string{"Chart.yaml": manifest("app", "1.0.0", "dependencies:\n", dep("l", "latest", "file://../libs/l"))}, fails: "format 'latest'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := maps.Clone(local)
			for name, content := range tc.files {
				all["app/"+name] = content
			}
			root := tree(all)
			c, err := LoadDir(t.Context(), root, "app", Limits{})
			if err != nil {
				t.Fatal(err)
			}
			count, err := c.Resolve(t.Context(), root, repositories)
			if tc.fails != "" {
				if !errors.Is(err, ErrDependency) || !strings.Contains(fmt.Sprint(err), tc.fails) {
					t.Errorf("got %v, want %s", err, tc.fails)
				}
				return
			}
			if err != nil || count != tc.count {
				t.Fatalf("got %d, %v, want %d", count, err, tc.count)
			}
			archive, err := c.Pack()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, name := range slices.Sorted(maps.Keys(files(t, archive))) {
				if strings.HasPrefix(name, "app/charts/") && strings.HasSuffix(name, "Chart.yaml") {
					got = append(got, name)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPull(t *testing.T) {
	archive := helmtest.Chart("alpine", "0.1.0")
	s := serve(t, generated)
	s.Put("/charts/alpine-0.1.0.tgz", archive)
	index := strings.ReplaceAll(generated, "bbb", sumOf(string(archive)))
	s.Put("/charts/index.yaml", []byte(index))
	want := Want{"alpine", "0.1.0"}
	got, err := below(t, s, Access{}).Pull(t.Context(), []Want{want}, 1<<20)
	if err != nil || !bytes.Equal(got[want], archive) {
		t.Errorf("got %d bytes, %v", len(got[want]), err)
	}
	if _, err := below(t, s, Access{}).Pull(t.Context(), []Want{{"gone", ""}}, 1<<20); !errors.Is(err, ErrNoChart) {
		t.Errorf("got %v", err)
	}
	s.Put("/charts/index.yaml", []byte(generated))
	s.Put("/charts/index.yaml", []byte(strings.ReplaceAll(generated, "bbb", sumOf("else"))))
	if _, err := below(t, s, Access{}).Pull(t.Context(), []Want{want}, 1<<20); !errors.Is(err, ErrDigest) {
		t.Errorf("got %v", err)
	}
}
