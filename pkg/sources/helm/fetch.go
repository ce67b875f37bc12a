package helm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

const (
	defaultIndexBytes = 50 << 20
	// maxWhole is how long an index may be that the scanner cannot follow.
	maxWhole = 8 << 20
)

func (a Access) indexBytes() int64 { return cmp.Or(a.IndexBytes, defaultIndexBytes) }

// Summary says what an index is, without saying what is in it.
type Summary struct {
	// Digest is that of the bytes as they were sent, sha256:<hex>.
	Digest string
	Size   int64
}

// Hex returns the digest without its algorithm.
func (s Summary) Hex() string { return strings.TrimPrefix(s.Digest, "sha256:") }

// reading is what was kept of an index.
type reading struct {
	Summary
	etag, modified string
	answers        map[Want]answer
}

// read reads the index for the wants. With a previous reading it asks whether there
// is news, and returns nil if there is none.
func (r *Repository) read(ctx context.Context, previous *reading, wants []Want) (*reading, error) {
	header := http.Header{}
	if previous != nil {
		if previous.etag != "" {
			header.Set("If-None-Match", previous.etag)
		} else if previous.modified != "" {
			header.Set("If-Modified-Since", previous.modified)
		}
	}
	got, err := r.readOnce(ctx, header, func(body io.Reader) (map[Want]answer, error) { return scan(body, wants) })
	if !isLayout(err) {
		return got, err
	}
	return r.readOnce(ctx, http.Header{}, func(body io.Reader) (map[Want]answer, error) {
		return readWhole(ctx, body, min(maxWhole, r.access.indexBytes()), r.access.Memory, wants)
	})
}

// readOnce sends one request for the index and has the answer taken in. It returns
// nil if the server says that there is nothing new.
func (r *Repository) readOnce(ctx context.Context, header http.Header, take func(io.Reader) (map[Want]answer, error)) (*reading, error) {
	u := r.indexURL()
	res, err := r.get(ctx, u, header, http.StatusNotModified)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotModified {
		if len(header) == 0 {
			return nil, &StatusError{URL: bareURL(u), Code: res.StatusCode}
		}
		return nil, nil
	}
	limit := r.access.indexBytes()
	if res.ContentLength > limit {
		return nil, tooLong(bareURL(u), res.ContentLength, limit)
	}
	body := &hashed{r: res.Body, left: limit, sum: sha256.New()}
	answers, err := take(body)
	switch {
	case body.over:
		return nil, tooLong(bareURL(u), 0, limit)
	case body.err != nil:
		return nil, fmt.Errorf("read %s: %w", bareURL(u), body.err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", bareURL(u), err)
	}
	return &reading{
		Summary: Summary{Digest: "sha256:" + hex.EncodeToString(body.sum.Sum(nil)), Size: body.n},
		etag:    res.Header.Get("ETag"), modified: res.Header.Get("Last-Modified"), answers: answers,
	}, nil
}

func tooLong(where string, has, limit int64) error {
	if has > 0 {
		return fmt.Errorf("%w: %s has %d bytes, more than the %d that are accepted", ErrIndexTooLarge, where, has, limit)
	}
	return fmt.Errorf("%w: %s has more than the %d bytes that are accepted", ErrIndexTooLarge, where, limit)
}

// hashed hashes and counts what passes through, up to a limit, and remembers how
// the stream ended.
type hashed struct {
	r    io.Reader
	sum  hash.Hash
	n    int64
	left int64
	over bool
	err  error // nil for a good end
}

// Read implements [io.Reader].
func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.n += int64(n)
	if h.left -= int64(n); h.left < 0 {
		h.over = true
		return 0, ErrIndexTooLarge
	}
	_, _ = h.sum.Write(p[:n]) // a hash never fails
	if err != nil && err != io.EOF {
		h.err = err
	}
	return n, err
}

var (
	// ErrTooLarge says that an archive of a chart has more bytes than are accepted.
	ErrTooLarge = errors.New("chart is too large")
	// ErrDigest says that an archive is not the one that the index describes.
	ErrDigest = errors.New("the digest differs from that of the index")
)

// Download fetches the archive of a release, of limit bytes at most, and checks
// it against the digest of the index where there is one.
func (r *Repository) Download(ctx context.Context, release Release, limit int64) ([]byte, error) {
	if release.URL == "" {
		return nil, fmt.Errorf("%w: chart '%s' has no downloadable URLs", ErrEntry, release.Name)
	}
	u, err := r.chartURL(release.URL)
	if err != nil {
		return nil, err
	}
	// The archive is compressed: what a server adds on its own must not be undone.
	res, err := r.get(ctx, u, http.Header{"Accept-Encoding": {"identity"}})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.ContentLength > limit {
		return nil, fmt.Errorf("%w: %s has %d bytes, more than the %d that are accepted", ErrTooLarge, bareURL(u), res.ContentLength, limit)
	}
	var data bytes.Buffer
	body := &charged{ctx: ctx, r: io.LimitReader(res.Body, limit+1), memory: r.access.Memory}
	if _, err := data.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("read %s: %w", bareURL(u), err)
	}
	if int64(data.Len()) > limit {
		return nil, fmt.Errorf("%w: %s has more than the %d bytes that are accepted", ErrTooLarge, bareURL(u), limit)
	}
	if err := release.check(data.Bytes()); err != nil {
		return nil, fmt.Errorf("%s: %w", bareURL(u), err)
	}
	return data.Bytes(), nil
}

var sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// charged charges what is read to a share of memory.
type charged struct {
	ctx    context.Context
	r      io.Reader
	memory *artifacts.Share
}

// Read implements [io.Reader].
func (c *charged) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	return n, cmp.Or(c.memory.Grow(c.ctx, int64(n)), err)
}

// Checkable says whether the digest of the index is one that an archive can be
// compared with. What some servers write there says nothing.
func (r Release) Checkable() bool { return sha256Pattern.MatchString(r.sum()) }

func (r Release) sum() string { return strings.ToLower(strings.TrimPrefix(r.Digest, "sha256:")) }

// check compares an archive with the digest of the index.
func (r Release) check(data []byte) error {
	want := r.sum()
	if !r.Checkable() {
		return nil
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != want {
		return fmt.Errorf("%w: it is %s, not %s", ErrDigest, got, want)
	}
	return nil
}
