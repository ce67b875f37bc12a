package signature

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/fluxd/fluxd/pkg/transport"
)

// PublicOptions are how the public Sigstore instance is reached.
type PublicOptions struct {
	// Transport does the requests.
	Transport http.RoundTripper
	// Dir keeps what was learnt, so that a start without a network has it until it
	// expires; empty keeps nothing.
	Dir string
	// Mirror and Anchor are where the repository is and the keys that it begins with;
	// those of the public instance if empty.
	Mirror string
	Anchor []byte
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// Public knows what is trusted of the public Sigstore instance, which publishes that in
// a repository of The Update Framework. It is shared by all, and asked for when somebody
// needs it.
type Public struct {
	options PublicOptions

	turn   chan struct{} // who holds it may look, and touch what follows
	root   *Root
	err    error // of the last try, nil if that was good
	looked time.Time
}

const (
	// publicFresh is how long the root serves before it is looked for again, and
	// publicRetry how long a failure does.
	publicFresh = 24 * time.Hour
	publicRetry = time.Minute
	// publicTimeout bounds one look.
	publicTimeout = 30 * time.Second
	// publicTarget is the name of the root in the repository.
	publicTarget = "trusted_root.json"
)

// NewPublic returns one that has not asked yet.
func NewPublic(o PublicOptions) *Public {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mirror == "" {
		o.Mirror = tuf.DefaultMirror
	}
	if len(o.Anchor) == 0 {
		o.Anchor = tuf.DefaultRoot()
	}
	return &Public{options: o, turn: make(chan struct{}, 1)}
}

// Root returns the trusted root. Once it is known, it serves while a newer one cannot be
// had.
func (p *Public) Root(ctx context.Context) (*Root, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	age := p.options.Now().Sub(p.looked)
	due := p.looked.IsZero() || p.err != nil && age >= publicRetry || p.err == nil && age >= publicFresh
	if due {
		root, err := p.look(ctx)
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err() // it was not given the time
		}
		p.looked, p.err = p.options.Now(), err
		if err == nil {
			p.root = root
		}
	}
	if p.root == nil {
		return nil, fmt.Errorf("get the trusted root of the public Sigstore instance: %w", p.err)
	}
	return p.root, nil
}

// look asks the repository, or what is kept of it if it does not answer.
func (p *Public) look(ctx context.Context) (*Root, error) {
	ctx, cancel := context.WithTimeout(ctx, publicTimeout)
	defer cancel()
	o := (&tuf.Options{}).WithContext(ctx).WithRoot(p.options.Anchor).WithRepositoryBaseURL(p.options.Mirror).
		WithFetcher(&fetcher{ctx: ctx, client: transport.NewClient(p.options.Transport)})
	if p.options.Dir == "" {
		return read(o.WithDisableLocalCache())
	}
	root, err := read(o.WithCachePath(p.options.Dir))
	if err == nil {
		return root, nil
	}
	if kept, keptErr := read(o.WithForceCache()); keptErr == nil {
		return kept, nil
	}
	return nil, err
}

func read(o *tuf.Options) (*Root, error) {
	client, err := tuf.New(o)
	if err != nil {
		return nil, err
	}
	raw, err := client.GetTarget(publicTarget)
	if err != nil {
		return nil, err
	}
	return ParseRoot(raw)
}

// fetcher gets the files of the repository.
type fetcher struct {
	ctx    context.Context
	client *http.Client
}

// DownloadFile returns a file of at most so many bytes.
func (f *fetcher) DownloadFile(url string, limit int64, _ time.Duration) (data []byte, err error) {
	req, err := http.NewRequestWithContext(f.ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := f.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", req.URL.Host, transport.Bare(err))
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: res.StatusCode, URL: url}
	}
	data, err = io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &metadata.ErrDownloadLengthMismatch{Msg: fmt.Sprintf("%s has more than %d bytes", url, limit)}
	}
	return data, err
}
