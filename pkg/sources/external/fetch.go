package external

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/transport"
)

// minRate is how many bytes per second a server must send in the long run.
const minRate = 1 << 10

// defaultBytes bounds an archive where the limits say nothing.
const defaultBytes = 256 << 20

// fetch gets an artifact into the store, once it is its turn.
func (f *Fetcher) fetch(ctx context.Context, owner artifacts.Owner, a Artifact) error {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.timing.longest, errSlow)
	defer cancel()
	share := f.Headroom.Share()
	defer share.Leave()
	tree, warnings, err := f.download(ctx, owner, a, share)
	if err != nil {
		return err
	}
	_, err = f.Store.PutAs(artifacts.Artifact{
		Owner: owner, Revision: a.Revision, Digest: a.Digest, Size: a.Size, Metadata: a.Metadata,
	}, tree)
	if err == nil && len(warnings) > 0 && f.Warn != nil {
		f.Warn(owner, warnings)
	}
	return err
}

// download returns the tree of an artifact whose digest is right.
func (f *Fetcher) download(ctx context.Context, owner artifacts.Owner, a Artifact, share *artifacts.Share) (*artifacts.Tree, []artifacts.Warning, error) {
	sum, want, err := parseDigest(a.Digest)
	if err != nil {
		return nil, nil, err
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, nil, fmt.Errorf("%w: the URL of the artifact is not one of http or https", ErrConfig)
	}
	u.Host = cmp.Or(f.Host, u.Host)
	t := f.Hosts.Transport(transport.Options{Received: func(n int64) {
		if f.Received != nil {
			f.Received(owner, n)
		}
	}})
	defer t.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(f.timing.silence, func() { cancel(errSilence) })
	defer watch.Stop()
	res, err := get(ctx, transport.NewClient(t), u)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()

	limit := cmp.Or(f.Limits.Bytes, defaultBytes)
	if a.Size > 0 {
		limit = min(limit, a.Size)
	}
	body := io.TeeReader(&limited{r: res.Body, left: limit, began: time.Now(), silence: f.timing.silence, watch: watch}, sum)
	b := f.Store.NewBuilder(f.Limits)
	err = b.AddTarGz(ctx, body, artifacts.TarOptions{Memory: share})
	if err == nil || errors.Is(err, artifacts.ErrArchive) {
		// The rest counts, and an archive that is broken is first of all not the
		// one that was promised.
		if _, restErr := io.Copy(io.Discard, body); restErr != nil {
			err = restErr
		} else if got := sum.Sum(nil); string(got) != string(want) {
			err = ErrDigest
		}
	}
	if err != nil {
		return nil, nil, explain(ctx, u, err)
	}
	return b.Build()
}

// get asks for an archive.
func get(ctx context.Context, client *http.Client, u *url.URL) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL of the artifact is unusable", ErrConfig)
	}
	req.Header.Set("Accept-Encoding", "identity") // the digest is of what is sent
	res, err := client.Do(req)
	if err != nil {
		return nil, explain(ctx, u, err)
	}
	switch res.StatusCode {
	case http.StatusOK:
		return res, nil
	case http.StatusNotFound, http.StatusGone:
		err = ErrNotFound
	default:
		err = fmt.Errorf("the server answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	_ = res.Body.Close() // nothing is read of it
	return nil, explain(ctx, u, err)
}

// explain says what was fetched, without what may be secret in its URL.
func explain(ctx context.Context, u *url.URL, err error) error {
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		err = cause
	}
	return fmt.Errorf("fetch the artifact %s://%s%s: %w", u.Scheme, u.Host, u.EscapedPath(), transport.Bare(err))
}

// limited ends with an error where more comes than is to be read, or too little in
// too much time, and keeps an eye on silence.
type limited struct {
	r          io.Reader
	read, left int64
	began      time.Time
	silence    time.Duration
	watch      *time.Timer
}

// Read implements [io.Reader].
func (l *limited) Read(p []byte) (int, error) {
	took := time.Since(l.began)
	switch {
	case l.left < 0:
		return 0, fmt.Errorf("%w: the server sends more than the artifact may have", artifacts.ErrLimit)
	case took > l.silence && l.read < int64(took.Seconds()*minRate):
		return 0, errSlow
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left+1)])
	if n > 0 {
		l.watch.Reset(l.silence)
	}
	l.read, l.left = l.read+int64(n), l.left-int64(n)
	return n, err
}

// parseDigest returns the hash of a digest and what it should yield.
func parseDigest(digest string) (hash.Hash, []byte, error) {
	algorithm, text, ok := strings.Cut(digest, ":")
	makers := map[string]func() hash.Hash{"sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New}
	maker, known := makers[algorithm]
	if !ok || !known {
		return nil, nil, fmt.Errorf("%w: its digest is none of sha256, sha384, sha512", ErrConfig)
	}
	h := maker()
	want, err := hex.DecodeString(text)
	if err != nil || len(want) != h.Size() {
		return nil, nil, fmt.Errorf("%w: its digest is malformed", ErrConfig)
	}
	return h, want, nil
}
