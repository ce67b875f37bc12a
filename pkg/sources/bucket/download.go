package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

const (
	// Parallel is how many objects are fetched at once.
	Parallel = 64
	// underWay is how many bytes of objects are under way at once, beyond one object
	// alone. They are not in the tree yet, but in memory.
	underWay = 16 << 20
)

// fetch is one download. The entries become what was really fetched; one that is
// gone loses its key.
type fetch struct {
	source *Source
	old    *artifacts.Tree
	known  *Known
	names  []string

	memory sync.Mutex // guards the share of the source

	mu       sync.Mutex // guards what follows
	builder  *artifacts.Builder
	entries  []Entry
	warnings []artifacts.Warning
}

// all gets what the tree before does not hold.
func (f *fetch) all(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(Parallel)
	room := semaphore.NewWeighted(underWay)
	err := f.dispatch(ctx, group, room)
	if failed := group.Wait(); failed != nil {
		return failed // which is why dispatching ended, if it did
	}
	return err
}

func (f *fetch) dispatch(ctx context.Context, group *errgroup.Group, room *semaphore.Weighted) error {
	for i, name := range f.names {
		e := f.entry(i)
		if f.source.holds(f.old, f.known, e, name) {
			if err := f.reuse(name); err != nil {
				return err
			}
			continue
		}
		weight := min(e.Size, underWay)
		if err := room.Acquire(ctx, weight); err != nil {
			return err
		}
		if err := f.charge(ctx, e.Size); err != nil {
			return err
		}
		group.Go(func() error {
			defer room.Release(weight)
			if err := f.one(ctx, i, e); err != nil {
				return fmt.Errorf("get the object %q: %w", e.Key, err)
			}
			return nil
		})
	}
	return nil
}

func (f *fetch) entry(i int) Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.entries[i]
}

func (f *fetch) reuse(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.builder.AddFileOf(f.old, name)
}

// charge takes n bytes of memory, which may have to wait for other sources.
func (f *fetch) charge(ctx context.Context, n int64) error {
	f.memory.Lock()
	defer f.memory.Unlock()
	if err := f.source.Memory.Grow(ctx, n); err != nil {
		return fmt.Errorf("memory for the objects: %w", err)
	}
	return nil
}

// one gets one object.
func (f *fetch) one(ctx context.Context, i int, e Entry) error {
	content, err := f.source.Service.Open(ctx, e)
	if errors.Is(err, ErrGone) {
		f.gone(i, e)
		return nil
	}
	if err != nil {
		return err
	}
	defer content.Close()
	buffer := buffers.Get().(*bytes.Buffer)
	defer giveBack(buffer)
	if err := f.read(ctx, buffer, content, e.Size); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if content.ETag != "" {
		f.entries[i].ETag = content.ETag
	}
	return f.builder.AddFile(f.names[i], 0o644, buffer.Bytes())
}

func (f *fetch) gone(i int, e Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries[i].Key = ""
	f.warnings = append(f.warnings, artifacts.Warning{Path: e.Key, Problem: "the object disappeared meanwhile and is left out"})
}

// portion is what an object that grew is charged by, in bytes.
const portion = 64 << 10

// read reads an object, of which so many bytes were charged. It may have grown.
func (f *fetch) read(ctx context.Context, into *bytes.Buffer, content *Content, charged int64) error {
	limited := Bounded(content, f.source.maxBytes(), "the object")
	into.Grow(int(min(charged, f.source.maxBytes())) + bytes.MinRead)
	for {
		n, err := io.CopyN(into, limited, charged-int64(into.Len())+1)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n == 0:
			return io.ErrNoProgress
		}
		if err := f.charge(ctx, portion); err != nil {
			return err
		}
		charged += portion
	}
}

// buffers are for objects of up to maxBuffer bytes.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const maxBuffer = 1 << 20

func giveBack(b *bytes.Buffer) {
	if b.Cap() <= maxBuffer {
		b.Reset()
		buffers.Put(b)
	}
}
