package helm

import (
	"bytes"
	"fmt"
	"io"
)

const (
	// firstBuffer is what a reader of lines begins with, and maxLine what it
	// grows to for a long one.
	firstBuffer = 64 << 10
	maxLine     = 1 << 20
)

// lines reads lines through a buffer that is as long as the longest of them.
type lines struct {
	r        io.Reader
	buf      []byte
	from, to int // what was read and not yet returned
	end      error
}

func newLines(r io.Reader) *lines { return &lines{r: r, buf: make([]byte, firstBuffer)} }

// next returns the next line without its end. It is valid until the next call.
func (l *lines) next() ([]byte, error) {
	searched := 0
	for {
		rest := l.buf[l.from:l.to]
		if i := bytes.IndexByte(rest[searched:], '\n'); i >= 0 {
			l.from += searched + i + 1
			return bytes.TrimSuffix(rest[:searched+i], []byte{'\r'}), nil
		}
		if l.end != nil {
			l.from = l.to
			if len(rest) > 0 && l.end == io.EOF {
				return rest, nil
			}
			return nil, l.end
		}
		searched = len(rest)
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more, after making room.
func (l *lines) fill() error {
	l.to = copy(l.buf, l.buf[l.from:l.to])
	l.from = 0
	if l.to == len(l.buf) {
		if len(l.buf) >= maxLine {
			return fmt.Errorf("%w: a line has more than %d bytes", errLayout, maxLine)
		}
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	n, err := l.r.Read(l.buf[l.to:])
	l.to += n
	l.end = err
	return nil
}
