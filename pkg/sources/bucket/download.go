package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

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

// fetch is one download. The entries become what was really fetched.
type fetch struct {
	source *Source
	held   []Held
	names  []string
	cancel func()

	memory sync.Mutex // guards the share of the source

	mu         sync.Mutex // guards what follows
	builder    *artifacts.Builder
	entries    []Entry
	done       []bool // of the entries
	downloaded int
	failure    error // of the first entry that has one
	failedAt   int   // that entry
	cancelled  bool
	warnings   []artifacts.Warning
}

// fetched returns the entries that are in the tree.
func (f *fetch) fetched() []Entry {
	var in []Entry
	for i, e := range f.entries {
		if f.done[i] {
			in = append(in, e)
		}
	}
	return in
}

// all gets what no tree has yet. After a failure nothing more is asked for, and what has
// been asked for still arrives.
func (f *fetch) all(ctx context.Context) error {
	ctx, f.cancel = context.WithCancel(ctx)
	defer f.cancel()
	f.done = make([]bool, len(f.entries))
	var workers sync.WaitGroup
	err := f.dispatch(ctx, &workers)
	if workers.Wait(); f.failure != nil {
		return f.failure // which is why dispatching ended, if it did
	}
	return err
}

func (f *fetch) dispatch(ctx context.Context, workers *sync.WaitGroup) error {
	slots, room := semaphore.NewWeighted(Parallel), semaphore.NewWeighted(underWay)
	for i := range f.names {
		e, stopped := f.next(i)
		if stopped {
			return nil
		}
		if reused, err := f.reuse(i, e); err != nil {
			return err
		} else if reused {
			continue
		}
		weight := min(e.Size, underWay)
		if err := errors.Join(slots.Acquire(ctx, 1), room.Acquire(ctx, weight)); err != nil {
			return err
		}
		if err := f.charge(ctx, e.Size); err != nil {
			return err
		}
		workers.Go(func() {
			defer slots.Release(1)
			defer room.Release(weight)
			if err := f.one(ctx, i, e); err != nil {
				f.stop(i, fmt.Errorf("get the object %q: %w", e.Key, err))
			}
		})
	}
	return nil
}

// stop notes a failure, which ends dispatching. Of several, it is the same every time
// that counts. What is too large ends everything.
func (f *fetch) stop(i int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cancelled || f.failure != nil && f.failedAt < i {
		return
	}
	f.failure, f.failedAt = err, i
	if errors.Is(large(err), ErrTooLarge) {
		f.cancelled = true
		f.cancel()
	}
}

// next returns an entry, unless there was a failure.
func (f *fetch) next(i int) (e Entry, stopped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.entries[i], f.failure != nil
}

// reuse takes an object from a tree that has it.
func (f *fetch) reuse(i int, e Entry) (bool, error) {
	for _, h := range f.held {
		if h.holds(f.source, e, f.names[i]) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.done[i] = true
			return true, f.builder.AddFileOf(h.Tree, f.names[i])
		}
	}
	return false, nil
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
		f.gone(e)
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
	if err := f.builder.AddFile(f.names[i], 0o644, buffer.Bytes()); err != nil {
		return err
	}
	f.done[i] = true
	f.downloaded++
	return nil
}

func (f *fetch) gone(e Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
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
