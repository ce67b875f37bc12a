package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"

	"github.com/fluxd/fluxd/pkg/transport"
)

// Wire sends the requests of a provider. It follows no redirect: a store that
// answers from elsewhere is asked there by whoever configures it.
type Wire struct {
	Transport http.RoundTripper
	// Secrets are replaced in the text of every error.
	Secrets []string
}

// tries is how often a request is sent while its answers are of the kind that passes.
const tries = 3

// Send sends a request that changes nothing. Prepare makes it, anew for every try, since
// a signature has its time. An answer that is no success is read by refuse, which
// gets at most [maxRefusal] bytes of it.
func (w *Wire) Send(ctx context.Context, prepare func() (*http.Request, error), refuse func(*http.Response, []byte) error) (*http.Response, error) {
	for try := 1; ; try++ {
		req, err := prepare()
		if err != nil {
			return nil, err
		}
		res, err := w.Transport.RoundTrip(req.WithContext(ctx))
		if err == nil && res.StatusCode == http.StatusOK {
			return res, nil
		}
		if err == nil {
			err = refuse(res, w.rest(res))
		}
		if try == tries || ctx.Err() != nil || !passing(err) {
			return nil, w.redact(err)
		}
	}
}

// passing says whether the same request may succeed at once. Where a store asks for a
// pause, the object waits for it, and nobody else.
func passing(err error) bool {
	if answer, ok := errors.AsType[*AnswerError](err); ok {
		return answer.Temporary()
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// maxRefusal is how much of an answer that is no success is read.
const maxRefusal = 64 << 10

// rest reads the beginning of a body and closes it.
func (w *Wire) rest(res *http.Response) []byte {
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if err != nil {
		return nil // the status has been said
	}
	return body
}

// Redirected is the error of an answer that leads elsewhere.
func Redirected(res *http.Response) error {
	to := "an unnamed host"
	if at, err := res.Location(); err == nil {
		to = at.Host
	}
	return fmt.Errorf("%w: a redirect to %s, which is not followed", ErrProtocol, Clean(to))
}

func (w *Wire) redact(err error) error {
	err = transport.Bare(err)
	text := err.Error()
	for _, secret := range w.Secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "*****")
		}
	}
	return saying(text, err)
}

// Escape escapes all of a text but letters, digits, -._~ and what is safe, as a path
// or a query want it (RFC 3986).
func Escape(text, safe string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("-._~", c) >= 0 || strings.IndexByte(safe, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

// Bounded returns a reader of at most limit bytes, beyond which it is an error, not
// an end.
func Bounded(r io.ReadCloser, limit int64, what string) io.ReadCloser {
	return &bounded{ReadCloser: r, left: limit, limit: limit, what: what}
}

type bounded struct {
	io.ReadCloser
	left, limit int64
	what        string
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)])
	if int64(n) > b.left {
		return int(b.left), fmt.Errorf("%w: %s has more than %d bytes", ErrTooLarge, b.what, b.limit)
	}
	b.left -= int64(n)
	return n, err
}
