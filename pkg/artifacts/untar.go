package artifacts

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Links says what becomes of the symbolic links of an archive.
type Links int

const (
	// SkipLinks leaves them out with a [Warning].
	SkipLinks Links = iota
	// FollowLinks has them added as [Builder.AddSymlink] does.
	FollowLinks
	// RefuseLinks makes them [ErrArchive].
	RefuseLinks
)

// TarOptions say what is taken from an archive, and bound what may be spent on
// it beyond the limits of the builder. A zero field means its default.
type TarOptions struct {
	// Dir is where the files go in the tree; its root.
	Dir string
	// Strip is how many leading elements every name loses. What has no more
	// than these is left out.
	Strip int
	// Filter says whether to take the file or link of a name, which is that
	// below Dir; nil takes all.
	Filter func(name string) bool
	// Links says what becomes of symbolic links.
	Links Links
	// Entries is how many headers there may be, whatever they describe; four
	// times the files of the limits.
	Entries int
	// Bytes is how long the archive may be once decompressed, with all that is
	// not taken; four times the bytes of the limits and a MiB.
	Bytes int64
	// Ratio is how many times longer than its compressed form an archive may
	// be, once it has more than a few MiB; 250.
	Ratio int64
	// Memory is charged with the files as they are read; nil is without bounds.
	Memory *Share
}

func (o TarOptions) orDefaults(l Limits) TarOptions {
	o.Entries = cmp.Or(o.Entries, 4*l.Files)
	o.Bytes = cmp.Or(o.Bytes, 4*l.Bytes+1<<20)
	o.Ratio = cmp.Or(o.Ratio, 250)
	return o
}

// AddTarGz adds the files of a compressed tar archive, as [Builder.AddTar] does.
// It reads r to the end of the compressed data, so that their checksum is known
// to be right, and perhaps a few bytes further.
func (b *Builder) AddTarGz(ctx context.Context, r io.Reader, o TarOptions) error {
	o = o.orDefaults(b.limits)
	packed := &meter{ctx: ctx, r: r}
	z, err := gzip.NewReader(packed)
	if err != nil {
		return packed.blame(err)
	}
	plain := &meter{ctx: ctx, r: z, limit: o.Bytes, packed: packed, ratio: o.Ratio}
	if err := b.addTar(plain, o); err != nil {
		return err
	}
	// What follows the end of the archive is padding, whose checksum counts,
	// or no gzip at all, which nobody reads.
	if _, err := io.Copy(io.Discard, plain); err != nil && !errors.Is(err, gzip.ErrHeader) {
		return plain.blame(err)
	}
	return nil
}

// AddTar adds the regular files of a tar archive. Directories exist as far as
// files are in them. A hard link is a copy of the file before it that it names.
// Anything else but symbolic links makes the archive unusable, as does a name
// twice. Sizes that the archive claims are never trusted.
//
// [ErrArchive] says that the bytes are no such archive, that they end too early,
// or that an entry is refused; names that cannot be part of a tree are
// [ErrBadPath], too much of anything is [ErrLimit]. An error of r or ctx is
// none of these. After an error the builder is of no use.
func (b *Builder) AddTar(ctx context.Context, r io.Reader, o TarOptions) error {
	o = o.orDefaults(b.limits)
	return b.addTar(&meter{ctx: ctx, r: r, limit: o.Bytes}, o)
}

func (b *Builder) addTar(r *meter, o TarOptions) error {
	x := &extraction{builder: b, options: o, source: r, tar: tar.NewReader(r), known: len(b.files)}
	for entries := 1; ; entries++ {
		header, err := x.tar.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return r.blame(err)
		}
		if entries > o.Entries {
			return fmt.Errorf("%w: the archive has more than %d entries", ErrLimit, o.Entries)
		}
		if err := x.entry(header); err != nil {
			return err
		}
	}
}

// extraction is one archive on its way into a tree.
type extraction struct {
	builder *Builder
	options TarOptions
	source  *meter
	tar     *tar.Reader
	buffer  bytes.Buffer
	// byName finds the files of this archive for hard links. Those of the
	// builder from known on are not in it yet.
	byName map[string]int
	known  int
	// charged is what was taken of the memory so far, largest the part of it that is
	// for the buffer.
	charged, largest int64
}

// entry takes what one header describes.
func (x *extraction) entry(h *tar.Header) error {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeLink, tar.TypeSymlink, tar.TypeDir:
	default:
		return fmt.Errorf("%w: %q is of the type %q, which is neither a file nor a directory", ErrArchive, h.Name, h.Typeflag)
	}
	name, err := cleanName(h.Name)
	if err != nil || h.Typeflag == tar.TypeDir {
		return err
	}
	name, ok := strip(name, x.options.Strip)
	if !ok || x.options.Filter != nil && !x.options.Filter(name) {
		return nil
	}
	name = path.Join(x.options.Dir, name)
	switch h.Typeflag {
	case tar.TypeSymlink:
		return x.symlink(name, h.Linkname)
	case tar.TypeLink:
		return x.hardLink(name, h.Linkname)
	}
	return x.file(name, h)
}

// cleanName returns the name of an entry as a path within a tree, "." for the
// root.
func cleanName(name string) (string, error) {
	bad := name == "" || path.IsAbs(name) || strings.ContainsAny(name, "\\\x00") ||
		slices.Contains(strings.Split(name, "/"), "..")
	if bad {
		return "", fmt.Errorf("%w %q in an archive", ErrBadPath, name)
	}
	return path.Clean(name), nil
}

// strip removes leading elements and says whether anything is left.
func strip(name string, elements int) (string, bool) {
	for ; elements > 0; elements-- {
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return "", false
		}
		name = rest
	}
	return name, name != "."
}

// keptBuffer is the largest buffer that is kept for the next file.
const keptBuffer = 1 << 20

func (x *extraction) file(name string, h *tar.Header) error {
	b := x.builder
	if left := b.limits.Bytes - b.bytes; h.Size > left {
		return fmt.Errorf("%w: the files have more than %d bytes", ErrLimit, b.limits.Bytes)
	}
	if x.buffer.Reset(); x.buffer.Cap() > keptBuffer {
		x.buffer = bytes.Buffer{}
	}
	content := &charging{extraction: x}
	if _, err := x.buffer.ReadFrom(content); content.err != nil {
		return content.err
	} else if err != nil {
		return x.source.blame(err)
	}
	if err := b.AddFile(name, h.FileInfo().Mode(), x.buffer.Bytes()); err != nil {
		return err
	}
	return x.charge(0)
}

// charging reads a file and takes memory as it comes: who merely claims to have much,
// or is slow to send it, keeps none from others.
type charging struct {
	*extraction
	read int64
	err  error // of the memory
}

// Read implements [io.Reader].
func (c *charging) Read(p []byte) (int, error) {
	n, err := c.tar.Read(p)
	c.read += int64(n)
	if c.err = c.charge(c.read); c.err != nil {
		return n, c.err
	}
	return n, err
}

// charge takes memory for a file of which n bytes have been read. What was taken
// for the largest serves all, as they are read one after the other; beyond it there
// is what the builder keeps of them.
func (x *extraction) charge(n int64) error {
	x.largest = max(x.largest, n)
	total := x.largest + x.builder.cost
	if total <= x.charged {
		return nil
	}
	if err := x.options.Memory.Grow(x.source.ctx, total-x.charged); err != nil {
		return err
	}
	x.charged = total
	return nil
}

func (x *extraction) symlink(name, target string) error {
	switch x.options.Links {
	case FollowLinks:
		return x.builder.AddSymlink(name, target)
	case RefuseLinks:
		return fmt.Errorf("%w: %q is a symbolic link", ErrArchive, name)
	}
	x.builder.warn(name, "symbolic links in archives are left out")
	return nil
}

// hardLink adds a copy of an earlier file. One that was not taken is no reason
// to refuse the rest.
func (x *extraction) hardLink(name, target string) error {
	target, err := cleanName(target)
	if err != nil {
		return err
	}
	b := x.builder
	if target, ok := strip(target, x.options.Strip); ok {
		if f, ok := x.find(path.Join(x.options.Dir, target)); ok {
			return b.add(name, f.exec, f.blob)
		}
	}
	b.warn(name, "the hard link does not name an earlier file of the archive and is left out")
	return nil
}

// find returns an earlier file of the archive. Only archives with hard links
// pay for it.
func (x *extraction) find(name string) (file, bool) {
	if x.byName == nil {
		x.byName = make(map[string]int)
	}
	files := x.builder.files
	for ; x.known < len(files); x.known++ {
		x.byName[files[x.known].path] = x.known
	}
	i, ok := x.byName[name]
	if !ok {
		return file{}, false
	}
	return files[i], true
}
