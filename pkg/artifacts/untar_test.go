package artifacts_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// reg returns the header of a file whose content is its link name, which saves a
// type.
func reg(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Linkname: content}
}

func link(kind byte, name, target string) tar.Header {
	return tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777}
}

func pack(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func squeeze(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// files returns the content of a tree; that of executable files begins with a
// mark.
func files(t testing.TB, tree *artifacts.Tree) map[string]string {
	t.Helper()
	var archive bytes.Buffer
	if err := tree.WriteTarGz(&archive); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&archive)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		content, readErr := io.ReadAll(tr)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		if h.Mode&0o111 != 0 {
			content = append([]byte("#!"), content...)
		}
		found[h.Name] = string(content)
	}
}

func TestAddTar(t *testing.T) {
	const skipped = "symbolic links in archives are left out"
	tests := map[string]struct {
		entries  []tar.Header
		options  artifacts.TarOptions
		want     map[string]string
		warnings []artifacts.Warning
	}{
		"files and directories": {
			entries: []tar.Header{
				{Typeflag: tar.TypeDir, Name: "./"}, {Typeflag: tar.TypeDir, Name: "empty/"},
				reg("./a.yaml", "a"), reg("dir/b.yaml", ""),
			},
			want: map[string]string{"a.yaml": "a", "dir/b.yaml": ""},
		},
		"the executable bit counts, others do not": {
			entries: []tar.Header{{Typeflag: tar.TypeReg, Name: "run", Mode: 0o4100}, {Typeflag: tar.TypeReg, Name: "read", Mode: 0}},
			want:    map[string]string{"run": "#!", "read": ""},
		},
		"long names in records of their own": {
			entries: []tar.Header{
				{Typeflag: tar.TypeReg, Format: tar.FormatPAX, Name: strings.Repeat("p", 200), Mode: 0o644},
				{Typeflag: tar.TypeReg, Format: tar.FormatGNU, Name: strings.Repeat("g", 200), Mode: 0o644},
				{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "c"}},
			},
			want: map[string]string{strings.Repeat("p", 200): "", strings.Repeat("g", 200): ""},
		},
		"symbolic links are left out": {
			entries:  []tar.Header{reg("a", "1"), link(tar.TypeSymlink, "b", "a"), link(tar.TypeSymlink, "c", "/etc/passwd")},
			want:     map[string]string{"a": "1"},
			warnings: []artifacts.Warning{{Path: "b", Problem: skipped}, {Path: "c", Problem: skipped}},
		},
		"symbolic links are followed within the tree": {
			entries:  []tar.Header{link(tar.TypeSymlink, "b", "d/a"), reg("d/a", "1"), link(tar.TypeSymlink, "c", "../../etc/passwd")},
			options:  artifacts.TarOptions{Links: artifacts.FollowLinks},
			want:     map[string]string{"d/a": "1", "b": "1"},
			warnings: []artifacts.Warning{{Path: "c", Problem: "the symbolic link does not point at a file of the tree and is left out"}},
		},
		"hard links are copies of earlier files": {
			entries: []tar.Header{
				reg("a", "1"), link(tar.TypeLink, "b", "./a"), reg("c", "2"), link(tar.TypeLink, "d", "c"), link(tar.TypeLink, "e", "b"),
				link(tar.TypeLink, "f", "later"), reg("later", "3"),
			},
			want:     map[string]string{"a": "1", "b": "1", "c": "2", "d": "2", "e": "1", "later": "3"},
			warnings: []artifacts.Warning{{Path: "f", Problem: "the hard link does not name an earlier file of the archive and is left out"}},
		},
		"names lose their first elements and get others": {
			entries: []tar.Header{reg("top", "0"), reg("chart/a", "1"), reg("chart/b/c", "2"), link(tar.TypeLink, "chart/d", "chart/a")},
			options: artifacts.TarOptions{Dir: "in/here", Strip: 1},
			want:    map[string]string{"in/here/a": "1", "in/here/b/c": "2", "in/here/d": "1"},
		},
		"a filter sees the name that is left": {
			entries: []tar.Header{reg("x/a.yaml", "1"), reg("x/b.zip", "2"), link(tar.TypeSymlink, "x/c.zip", "a.yaml")},
			options: artifacts.TarOptions{Dir: "in", Strip: 1, Filter: func(name string) bool { return name == "a.yaml" }},
			want:    map[string]string{"in/a.yaml": "1"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, artifacts.Options{})
			for _, compressed := range []bool{false, true} {
				b, data, err := s.NewBuilder(artifacts.Limits{}), pack(t, test.entries...), error(nil)
				if compressed {
					err = b.AddTarGz(t.Context(), iotest.OneByteReader(bytes.NewReader(squeeze(t, data))), test.options)
				} else {
					err = b.AddTar(t.Context(), bytes.NewReader(data), test.options)
				}
				if err != nil {
					t.Fatal(err)
				}
				tree, warnings, err := b.Build()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, files(t, tree)); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.warnings, warnings); diff != "" {
					t.Errorf("warnings (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAddTarRefuses(t *testing.T) {
	whole := squeeze(t, pack(t, reg("a", strings.Repeat("random enough", 100)), reg("b", "2")))
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-6] ^= 1 // in the checksum
	header := func(h tar.Header) []byte {
		var out bytes.Buffer
		if err := tar.NewWriter(&out).WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	entries := func(list ...tar.Header) []byte { return squeeze(t, pack(t, list...)) }
	many := make([]tar.Header, 50)
	for i := range many {
		many[i] = tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("d%d/", i)}
	}
	tests := map[string]struct {
		data    []byte
		limits  artifacts.Limits
		options artifacts.TarOptions
		want    error
	}{
		"nothing":                      {data: nil, want: artifacts.ErrArchive},
		"no gzip":                      {data: pack(t, reg("a", "1")), want: artifacts.ErrArchive},
		"no tar":                       {data: squeeze(t, []byte(strings.Repeat("kind: Namespace\n", 100))), want: artifacts.ErrArchive},
		"cut in the data":              {data: whole[:len(whole)/2], want: artifacts.ErrArchive},
		"cut in the checksum":          {data: whole[:len(whole)-3], want: artifacts.ErrArchive},
		"a wrong checksum":             {data: damaged, want: artifacts.ErrArchive},
		"less content than it says":    {data: squeeze(t, header(tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 1 << 20})), want: artifacts.ErrArchive},
		"more content than allowed":    {data: entries(reg("a", "123"), reg("b", "456")), limits: artifacts.Limits{Bytes: 5}, want: artifacts.ErrLimit},
		"a size that is a lie":         {data: squeeze(t, header(tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 1 << 60, Format: tar.FormatGNU})), want: artifacts.ErrLimit},
		"links that repeat too much":   {data: entries(reg("a", "123"), link(tar.TypeLink, "b", "a")), limits: artifacts.Limits{Bytes: 5}, want: artifacts.ErrLimit},
		"too many files":               {data: entries(reg("a", ""), reg("b", ""), reg("c", "")), limits: artifacts.Limits{Files: 2}, want: artifacts.ErrLimit},
		"too many entries":             {data: entries(many...), options: artifacts.TarOptions{Entries: 49}, want: artifacts.ErrLimit},
		"a name that is too long":      {data: entries(reg(strings.Repeat("n", 2000), "")), want: artifacts.ErrLimit},
		"nesting that is too deep":     {data: entries(reg(strings.Repeat("d/", 100)+"f", "")), want: artifacts.ErrLimit},
		"a long archive of few files":  {data: entries(reg("a", strings.Repeat("0123456789", 1000))), options: artifacts.TarOptions{Bytes: 5000}, want: artifacts.ErrLimit},
		"a way up":                     {data: entries(reg("a/../../b", "")), want: artifacts.ErrBadPath},
		"a way up that ends inside":    {data: entries(reg("a/../b", "")), want: artifacts.ErrBadPath},
		"a way up of a directory":      {data: entries(tar.Header{Typeflag: tar.TypeDir, Name: "../x/"}), want: artifacts.ErrBadPath},
		"a way up of a hard link":      {data: entries(reg("a", ""), link(tar.TypeLink, "b", "../a")), want: artifacts.ErrBadPath},
		"an absolute name":             {data: entries(reg("/etc/passwd", "")), want: artifacts.ErrBadPath},
		"a backslash":                  {data: entries(reg(`a\..\b`, "")), want: artifacts.ErrBadPath},
		"a name that is not UTF-8":     {data: entries(reg("a\xff", "")), want: artifacts.ErrBadPath},
		"a name twice":                 {data: entries(reg("a", "1"), reg("a", "2")), want: artifacts.ErrBadPath},
		"names that differ in case":    {data: entries(reg("dir/A", "1"), reg("dir/a", "2")), want: artifacts.ErrBadPath},
		"a link twin in case":          {data: entries(reg("a", "1"), link(tar.TypeSymlink, "A", "a")), options: artifacts.TarOptions{Links: artifacts.FollowLinks}, want: artifacts.ErrBadPath},
		"a device":                     {data: entries(tar.Header{Typeflag: tar.TypeBlock, Name: "sda"}), want: artifacts.ErrArchive},
		"a pipe":                       {data: entries(tar.Header{Typeflag: tar.TypeFifo, Name: "pipe"}), want: artifacts.ErrArchive},
		"a symbolic link if forbidden": {data: entries(link(tar.TypeSymlink, "a", "b")), options: artifacts.TarOptions{Links: artifacts.RefuseLinks}, want: artifacts.ErrArchive},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newStore(t, artifacts.Options{}).NewBuilder(test.limits)
			if err := b.AddTarGz(t.Context(), bytes.NewReader(test.data), test.options); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestAddTarGzStopsABomb(t *testing.T) {
	bomb := func(headers func(w *tar.Writer) error) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		w := tar.NewWriter(z)
		if err := headers(w); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	tests := map[string]struct {
		data   []byte
		filter func(string) bool
	}{
		"one large file": {data: bomb(func(w *tar.Writer) error {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 64 << 20}); err != nil {
				return err
			}
			_, err := io.CopyN(w, zeros{}, 64<<20)
			return err
		})},
		"one large file that is not wanted": {filter: func(string) bool { return false }, data: bomb(func(w *tar.Writer) error {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 64 << 20}); err != nil {
				return err
			}
			_, err := io.CopyN(w, zeros{}, 64<<20)
			return err
		})},
		"records without a file": {data: bomb(func(w *tar.Writer) error {
			for range 64 {
				h := tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": strings.Repeat("x", 1<<20-100)}}
				if err := w.WriteHeader(&h); err != nil {
					return err
				}
			}
			return nil
		})},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := bytes.NewReader(test.data)
			b := newStore(t, artifacts.Options{}).NewBuilder(artifacts.Limits{})
			if err := b.AddTarGz(t.Context(), r, artifacts.TarOptions{Filter: test.filter}); !errors.Is(err, artifacts.ErrLimit) {
				t.Errorf("got %v, want ErrLimit", err)
			}
			if r.Len() == 0 {
				t.Error("all of it was read")
			}
		})
	}
}

func TestAddTarGzTellsWhoseFaultItIs(t *testing.T) {
	data := squeeze(t, pack(t, reg("a", strings.Repeat("x", 5000)), reg("b", "2")))
	broken := errors.New("connection reset")
	b := newStore(t, artifacts.Options{}).NewBuilder(artifacts.Limits{})
	err := b.AddTarGz(t.Context(), io.MultiReader(bytes.NewReader(data[:40]), iotest.ErrReader(broken)), artifacts.TarOptions{})
	if !errors.Is(err, broken) || errors.Is(err, artifacts.ErrArchive) {
		t.Errorf("a reader that fails: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.AddTarGz(ctx, bytes.NewReader(data), artifacts.TarOptions{}); !errors.Is(err, context.Canceled) || errors.Is(err, artifacts.ErrArchive) {
		t.Errorf("a context that ended: got %v", err)
	}
	share := artifacts.NewHeadroom(4000).Share()
	defer share.Leave()
	if err := b.AddTarGz(t.Context(), bytes.NewReader(data), artifacts.TarOptions{Memory: share}); !errors.Is(err, artifacts.ErrNoHeadroom) {
		t.Errorf("no memory: got %v", err)
	}
}

// A file that is said to be large and does not come takes no memory from others.
func TestAddTarChargesWhatCame(t *testing.T) {
	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 900_000}); err != nil {
		t.Fatal(err)
	}
	room := artifacts.NewHeadroom(1_000_000)
	first, second := room.Share(), room.Share()
	defer first.Leave()
	defer second.Leave()
	asked := false
	drip := readerFunc(func([]byte) (int, error) {
		now, cancel := context.WithCancel(t.Context())
		cancel() // whoever has to wait gets an error
		if asked = true; second.Grow(now, 300_000) != nil {
			t.Error("others have to wait")
		}
		return 0, io.EOF
	})
	b := newStore(t, artifacts.Options{}).NewBuilder(artifacts.Limits{})
	err := b.AddTar(t.Context(), io.MultiReader(&head, strings.NewReader("a few bytes"), drip), artifacts.TarOptions{Memory: first})
	if !errors.Is(err, artifacts.ErrArchive) || !asked {
		t.Errorf("got %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestAddTarGzAcceptsSeveralMembersAndPadding(t *testing.T) {
	data := pack(t, reg("a", "1"), reg("b", "2"))
	members := append(squeeze(t, data[:700]), squeeze(t, data[700:])...)
	b := newStore(t, artifacts.Options{}).NewBuilder(artifacts.Limits{})
	if err := b.AddTarGz(t.Context(), bytes.NewReader(append(members, make([]byte, 100)...)), artifacts.TarOptions{}); err != nil {
		t.Fatal(err)
	}
	tree, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2"}, files(t, tree)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	headers := make([]tar.Header, 1000)
	for i := range headers {
		headers[i] = link(tar.TypeSymlink, fmt.Sprintf("l%d", i), "x")
	}
	b := newStore(t, artifacts.Options{}).NewBuilder(artifacts.Limits{})
	if err := b.AddTar(t.Context(), bytes.NewReader(pack(t, headers...)), artifacts.TarOptions{}); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if last := warnings[len(warnings)-1]; len(warnings) != 101 || last.Problem != "900 more entries are left out" {
		t.Errorf("got %d warnings, the last is %v", len(warnings), last)
	}
}

func FuzzAddTar(f *testing.F) {
	f.Add(pack(f, reg("a", "1"), link(tar.TypeLink, "b", "a"), link(tar.TypeSymlink, "c", "a")))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStore(t, artifacts.Options{})
		b := s.NewBuilder(artifacts.Limits{Bytes: 1 << 16, Files: 100})
		if b.AddTar(t.Context(), bytes.NewReader(data), artifacts.TarOptions{Links: artifacts.FollowLinks}) != nil {
			return
		}
		tree, _, err := b.Build()
		if err != nil {
			return
		}
		for name := range files(t, tree) {
			if strings.HasPrefix(name, "/") || strings.Contains("/"+name+"/", "/../") {
				t.Errorf("%q got into the tree", name)
			}
		}
	})
}
