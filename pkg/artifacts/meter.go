package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// meter counts what is read, stops at its bounds or when ctx ends, and knows whose
// fault an error is.
type meter struct {
	ctx context.Context
	r   io.Reader
	n   int64
	err error
	// stopped says that err is that of a bound or of ctx, not of r.
	stopped bool

	limit int64 // zero is none
	// packed is what r decompresses; nil if it does not.
	packed *meter
	ratio  int64
}

// ratioFrom is the size from which a ratio tells something.
const ratioFrom = 4 << 20

// Read implements [io.Reader].
func (m *meter) Read(p []byte) (int, error) {
	if m.err == nil {
		m.err = m.check()
		m.stopped = m.err != nil
	}
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

func (m *meter) check() error {
	switch {
	case m.ctx.Err() != nil:
		return context.Cause(m.ctx)
	case m.limit > 0 && m.n > m.limit:
		return fmt.Errorf("%w: the archive has more than %d bytes", ErrLimit, m.limit)
	case m.packed != nil && m.n > ratioFrom && m.n/m.ratio > m.packed.n:
		return fmt.Errorf("%w: the archive is more than %d times as long as its compressed form", ErrLimit, m.ratio)
	}
	return nil
}

// blame tells an archive that is unusable from bytes that could not be read. err
// is what a reader of m said.
func (m *meter) blame(err error) error {
	switch {
	case m.packed != nil && m.packed.err != nil:
		return m.packed.blame(err)
	case m.stopped:
		return m.err
	case m.packed == nil && m.err != nil:
		return fmt.Errorf("read an archive: %w", m.err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends too early", ErrArchive)
	}
	return fmt.Errorf("%w: %w", ErrArchive, err)
}
