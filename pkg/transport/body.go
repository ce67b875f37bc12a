package transport

import (
	"compress/gzip"
	"io"
	"net/http"
)

// acceptsAnything says whether the caller leaves the encoding of the answer to us.
func acceptsAnything(req *http.Request) bool {
	return req.Method == http.MethodGet && req.Header.Get("Accept-Encoding") == "" && req.Header.Get("Range") == ""
}

// headerBytes is about what the head of an answer took.
func headerBytes(res *http.Response) int64 {
	n := int64(len(res.Proto) + len(res.Status) + 5)
	for name, values := range res.Header {
		for _, value := range values {
			n += int64(len(name) + len(value) + 4)
		}
	}
	return n
}

// meter counts what is read of a body, and reports it in portions.
type meter struct {
	io.ReadCloser
	report func(int64)
	read   int64
}

// portion is how many bytes are reported together.
const portion = 64 << 10

// Read implements [io.Reader].
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if m.read += int64(n); m.read >= portion || err != nil {
		m.flush()
	}
	return n, err
}

// Close implements [io.Closer].
func (m *meter) Close() error {
	m.flush()
	return m.ReadCloser.Close()
}

func (m *meter) flush() {
	m.report(m.read)
	m.read = 0
}

// unpackBody has a compressed body read as what it was before.
func unpackBody(res *http.Response) {
	res.Body = &unpacked{packed: res.Body}
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	res.ContentLength, res.Uncompressed = -1, true
}

// unpacked reads a gzip body. It begins with the first read, since a body may be
// closed unread.
type unpacked struct {
	packed io.ReadCloser
	zip    *gzip.Reader
	err    error
}

// Read implements [io.Reader].
func (u *unpacked) Read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	if u.zip == nil {
		if u.zip, u.err = gzip.NewReader(u.packed); u.err != nil {
			return 0, u.err
		}
	}
	return u.zip.Read(p)
}

// Close implements [io.Closer].
func (u *unpacked) Close() error { return u.packed.Close() }
