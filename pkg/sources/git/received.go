package git

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// chunk is how many bytes of what is received lie together.
const chunk = 32 << 10

// received is what a remote sent, in memory. It grows without being copied.
type received struct {
	chunks [][]byte
	size   int64
}

// receiver bounds what is received and charges it.
type receiver struct {
	limit  int64
	memory *artifacts.Share
}

// charge takes n bytes of memory, which may have to wait for other sources.
func (r receiver) charge(ctx context.Context, n int64) error {
	err := r.memory.Grow(ctx, n)
	switch {
	case errors.Is(err, artifacts.ErrNoHeadroom):
		return fmt.Errorf("%w: it %w", ErrTooLarge, err)
	case err != nil:
		return fmt.Errorf("wait for memory that other sources use: %w", err)
	}
	return nil
}

// readAll reads from until its end.
func (r receiver) readAll(ctx context.Context, from io.Reader) (*received, error) {
	all := &received{}
	for {
		if err := r.charge(ctx, chunk); err != nil {
			return nil, err
		}
		buffer := make([]byte, chunk)
		n, err := io.ReadFull(from, buffer)
		all.size += int64(n)
		if all.size > r.limit {
			return nil, fmt.Errorf("%w: the server sent more than %d bytes", ErrTooLarge, r.limit)
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			all.chunks = append(all.chunks, append([]byte(nil), buffer[:n]...))
			return all, nil
		case err != nil:
			return nil, err
		}
		all.chunks = append(all.chunks, buffer)
	}
}

// ReadAt implements [io.ReaderAt].
func (r *received) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		at := offset + int64(n)
		if at < 0 || at >= r.size {
			return n, io.EOF
		}
		n += copy(p[n:], r.chunks[at/chunk][at%chunk:])
	}
	return n, nil
}

// reader reads everything from the beginning.
func (r *received) reader() io.ReadSeeker { return io.NewSectionReader(r, 0, r.size) }
