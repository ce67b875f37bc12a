package artifacts

import (
	"archive/tar"
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// cache keeps the newest artifact of each owner in a file of its own: a line of
// JSON that says what it is, then the tar of the tree, compressed. Files are written
// beside, synced and renamed, so a power loss leaves the old or the new one.
type cache struct {
	dir    string
	limit  int64
	report func(error)

	mu     sync.Mutex // guards known
	known  map[Owner]stored
	writes chan func()
	done   chan struct{}
}

// stored is what is known of one file.
type stored struct {
	artifact Artifact
	bytes    int64 // zero until it is written
}

// suffix is that of the files of a cache.
const suffix = ".artifact"

func openCache(dir string, limit int64, report func(error)) (*cache, error) {
	if report == nil {
		report = func(error) {}
	}
	dir = filepath.Join(dir, "artifacts")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the artifact cache: %w", err)
	}
	c := &cache{
		dir: dir, limit: limit, report: report, known: make(map[Owner]stored),
		writes: make(chan func(), 64), done: make(chan struct{}),
	}
	c.scan()
	go c.run()
	return c, nil
}

// scan learns what is there. Files that do not say what they are go.
func (c *cache) scan() {
	names, err := filepath.Glob(filepath.Join(c.dir, "*"))
	if err != nil {
		return // the pattern is well-formed
	}
	for _, name := range names {
		a, size, err := head(name)
		if err != nil || filepath.Ext(name) != suffix || name != c.path(a.Owner) {
			c.report(fmt.Errorf("drop %s from the artifact cache: it is damaged", filepath.Base(name)))
			_ = os.Remove(name)
			continue
		}
		c.known[a.Owner] = stored{a, size}
	}
}

func head(name string) (a Artifact, size int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return a, 0, err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 64<<10)).ReadBytes('\n')
	if err != nil {
		return a, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return a, 0, err
	}
	return a, info.Size(), json.Unmarshal(line, &a)
}

func (c *cache) path(owner Owner) string {
	sum := sha256.Sum256([]byte(owner.String()))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:])+suffix)
}

// run does the writes, one after the other.
func (c *cache) run() {
	defer close(c.done)
	for write := range c.writes {
		write()
	}
}

func (c *cache) close() {
	close(c.writes)
	<-c.done
}

func (c *cache) newest(owner Owner) (Artifact, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.known[owner]
	return s.artifact, ok
}

// write stores a tree behind the caller's back. When the disk is slower than
// the sources, the caller waits.
func (c *cache) write(a Artifact, t *Tree) {
	if c.wants(a) {
		return
	}
	c.mu.Lock()
	c.known[a.Owner] = stored{artifact: a}
	c.mu.Unlock()
	c.writes <- func() { c.flush(a, t) }
}

// flush writes what is still wanted when its turn comes.
func (c *cache) flush(a Artifact, t *Tree) {
	if !c.wants(a) {
		return
	}
	size, err := c.save(a, t)
	c.settle(a, size, err)
	if err != nil {
		c.report(fmt.Errorf("keep %s in the artifact cache: %w", a.Owner, err))
		return
	}
	c.trim(a.Owner)
}

// settle notes how the writing of a went. Meanwhile something newer may have been put, or
// the owner forgotten: what is queued for that must not take a for the newest.
func (c *cache) settle(a Artifact, size int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, ok := c.known[a.Owner]
	switch {
	case !ok || now.artifact.Digest != a.Digest || now.artifact.Revision != a.Revision:
	case err != nil:
		delete(c.known, a.Owner)
	default:
		c.known[a.Owner] = stored{a, size}
	}
}

// wants says whether a is what is to be kept of its owner.
func (c *cache) wants(a Artifact) bool {
	now, ok := c.newest(a.Owner)
	return ok && now.Digest == a.Digest && now.Revision == a.Revision
}

func (c *cache) save(a Artifact, t *Tree) (size int64, err error) {
	f, err := os.CreateTemp(c.dir, "new-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = errors.Join(encode(f, a, t), f.Sync())
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err != nil {
		return 0, err
	}
	if err = os.Rename(f.Name(), c.path(a.Owner)); err != nil {
		return 0, err
	}
	// Until the disk knows of the rename a power loss brings the old one back.
	if err := c.sync(); err != nil {
		c.report(fmt.Errorf("sync the artifact cache: %w", err))
	}
	return info.Size(), nil
}

// sync has the disk know which files there are. Some file systems cannot, and need not.
func (c *cache) sync() error {
	dir, err := os.Open(c.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

func encode(w io.Writer, a Artifact, t *Tree) error {
	line, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(256<<10))
	if err != nil {
		return err
	}
	return errors.Join(t.writeTar(z), z.Close())
}

// trim deletes the oldest files until the rest fits, but never that of keep.
func (c *cache) trim(keep Owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var total int64
	var all []stored
	for _, s := range c.known {
		total += s.bytes
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b stored) int {
		return cmp.Or(a.artifact.Updated.Compare(b.artifact.Updated), cmp.Compare(a.artifact.Owner.String(), b.artifact.Owner.String()))
	})
	for _, s := range all {
		if total <= c.limit {
			return
		}
		if s.artifact.Owner == keep {
			continue
		}
		total -= s.bytes
		delete(c.known, s.artifact.Owner)
		_ = os.Remove(c.path(s.artifact.Owner))
	}
}

func (c *cache) forget(owner Owner) {
	c.mu.Lock()
	_, ok := c.known[owner]
	delete(c.known, owner)
	c.mu.Unlock()
	if !ok {
		return
	}
	c.writes <- func() {
		if _, again := c.newest(owner); !again {
			_ = os.Remove(c.path(owner))
		}
	}
}

// read returns the tree of owner if it is there, whole, and has the digest.
func (c *cache) read(s *Store, owner Owner, digest string) (Artifact, *Tree, bool) {
	c.mu.Lock()
	known, ok := c.known[owner]
	c.mu.Unlock()
	a := known.artifact
	if !ok || known.bytes == 0 || digest != "" && a.Digest != digest {
		return a, nil, false
	}
	t, err := c.load(s, owner)
	want := cmp.Or(a.Content, a.Digest)
	if err == nil && t.digest != want {
		t.asVerbatim(want)
	}
	if err == nil && t.digest != want {
		err = fmt.Errorf("its digest is %s", t.digest)
	}
	if err != nil {
		c.report(fmt.Errorf("drop %s from the artifact cache: it is damaged: %w", owner, err))
		c.forget(owner)
		return a, nil, false
	}
	t.pack()
	return a, t, true
}

func (c *cache) load(s *Store, owner Owner) (*Tree, error) {
	f, err := os.Open(c.path(owner))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	if _, err := r.ReadBytes('\n'); err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	b := s.NewBuilder(Limits{Bytes: c.limit})
	for tr := tar.NewReader(z); ; {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(io.LimitReader(tr, c.limit+1))
		if err != nil {
			return nil, err
		}
		if err := b.AddFile(header.Name, fs.FileMode(header.Mode).Perm(), content); err != nil {
			return nil, err
		}
	}
	t, _, err := b.Build()
	return t, err
}
