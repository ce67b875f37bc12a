package git

import (
	"fmt"
	"io"
	"net/http"
)

// capped bounds the bytes of every response, whatever the server sends.
type capped struct {
	next  http.RoundTripper
	limit int64
}

// RoundTrip implements [http.RoundTripper].
func (c *capped) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = &cappedBody{ReadCloser: res.Body, left: c.limit, limit: c.limit}
	return res, nil
}

type cappedBody struct {
	io.ReadCloser
	left, limit int64
}

// Read implements [io.Reader].
func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%w: the server sent more than %d bytes", ErrTooLarge, b.limit)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
