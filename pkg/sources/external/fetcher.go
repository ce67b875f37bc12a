package external

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/transport"
)

const (
	// slots is how many artifacts are fetched at a time.
	slots = 8
	// patience is how long after a try was begun one looks again unasked.
	patience = 15 * time.Second
	// forget is how long a failure is remembered that nobody asks about.
	forget = time.Hour
)

// timing bounds the time between two tries, of one try, and how long a server may
// send nothing.
type timing struct{ minDelay, maxDelay, longest, silence time.Duration }

var (
	errSlow    = errors.New("the server is too slow")
	errSilence = errors.New("the server sends nothing")
)

var (
	// ErrPending says that the artifact is being fetched.
	ErrPending = errors.New("the artifact is being fetched")
	// ErrNotFound says that the server has no such artifact.
	ErrNotFound = errors.New("artifact not found")
	// ErrDigest says that what the server has is not the artifact.
	ErrDigest = errors.New("the digest does not match")
	// ErrConfig says that the description of the artifact is unusable.
	ErrConfig = errors.New("invalid artifact")
)

// Failure is a fetch that failed.
type Failure struct {
	Err error
	// After is when it is worth asking again. Zero means that it was tried often
	// enough, or that trying again is not likely to help.
	After time.Duration
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Artifact is what somebody offers.
type Artifact struct {
	URL, Revision string
	// Digest is <algorithm>:<hex> of the archive, with sha256, sha384 or sha512.
	Digest string
	// Size is that of the archive in bytes; zero if it is not known.
	Size     int64
	Metadata map[string]string
}

// Config is what a fetcher is made of.
type Config struct {
	Store    *artifacts.Store
	Hosts    *transport.Hosts
	Limits   artifacts.Limits
	Headroom *artifacts.Headroom
	// Retries is how often a fetch is repeated before its failure counts.
	Retries int
	// Host replaces that of every URL; empty replaces none.
	Host string
	// Wake is told when a fetch ended. Received is told of the bytes that came,
	// and Warn of what a tree leaves out. All may be nil.
	Wake     func(artifacts.Owner)
	Received func(owner artifacts.Owner, bytes int64)
	Warn     func(artifacts.Owner, []artifacts.Warning)
}

// Fetcher fetches artifacts. It is safe for concurrent use.
type Fetcher struct {
	Config
	timing timing
	slots  chan struct{}
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex // guards wanted and its values
	wanted map[artifacts.Owner]*want
}

// want is an artifact that is not in the store.
type want struct {
	url, digest string
	cancel      context.CancelFunc
	running     bool
	asked       time.Time

	err   error // of the last try, nil before the first
	tries int
	next  time.Time // not to be tried before
	final bool      // trying again is not likely to help
}

// New returns a fetcher that does nothing yet.
func New(c Config) *Fetcher {
	f := &Fetcher{
		Config: c, slots: make(chan struct{}, slots), wanted: make(map[artifacts.Owner]*want),
		timing: timing{minDelay: 5 * time.Second, maxDelay: 30 * time.Second, longest: 5 * time.Minute, silence: 30 * time.Second},
	}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f
}

// Close ends what is under way.
func (f *Fetcher) Close() {
	f.stop()
	f.work.Wait()
}

// Open returns the tree of an artifact, which stays in memory until release is
// called. It does not wait: the error is [ErrPending] or a [Failure] if there is
// none yet.
func (f *Fetcher) Open(owner artifacts.Owner, a Artifact) (t *artifacts.Tree, release func(), err error) {
	if _, _, err := parseDigest(a.Digest); err != nil {
		return nil, nil, &Failure{Err: err}
	}
	if t, release, err = f.Store.Open(owner, a.Digest); err == nil {
		f.drop(owner)
		return t, release, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	w := f.want(owner, a, now)
	if !w.running && !now.Before(w.next) {
		f.begin(owner, a, w)
	}
	if w.err == nil {
		return nil, nil, ErrPending
	}
	return nil, nil, &Failure{Err: w.err, After: w.after(f.Retries, now)}
}

// want returns what is known of the wanted artifact. Another one of the same owner
// is not wanted any more. mu is held.
func (f *Fetcher) want(owner artifacts.Owner, a Artifact, now time.Time) *want {
	w, ok := f.wanted[owner]
	if ok && (w.url != a.URL || w.digest != a.Digest) {
		w.cancel()
		ok = false
	}
	if !ok {
		for other, old := range f.wanted {
			if !old.running && now.Sub(old.asked) > forget {
				delete(f.wanted, other)
			}
		}
		w = &want{url: a.URL, digest: a.Digest, cancel: func() {}}
		f.wanted[owner] = w
	}
	w.asked = now
	return w
}

// after returns when it is worth asking again.
func (w *want) after(retries int, now time.Time) time.Duration {
	switch {
	case w.final || w.tries > retries:
		return 0
	case w.running:
		return patience
	}
	return max(w.next.Sub(now), time.Millisecond)
}

// begin fetches in the background. mu is held.
func (f *Fetcher) begin(owner artifacts.Owner, a Artifact, w *want) {
	ctx, cancel := context.WithCancel(f.ctx)
	w.running, w.cancel = true, cancel
	f.work.Go(func() {
		defer cancel()
		err := f.fetch(ctx, owner, a)
		f.end(owner, w, err, ctx.Err() != nil)
	})
}

// end remembers how a fetch ended, unless nobody wants to know.
func (f *Fetcher) end(owner artifacts.Owner, w *want, err error, stopped bool) {
	f.mu.Lock()
	current := f.wanted[owner] == w
	w.running = false
	switch {
	case !current || stopped:
	case err == nil:
		delete(f.wanted, owner)
	default:
		w.err, w.tries = err, w.tries+1
		w.final = slices.ContainsFunc(final, func(kind error) bool { return errors.Is(err, kind) })
		w.next = time.Now().Add(max(f.timing.delay(w.tries), transport.RetryAfter(err)))
	}
	f.mu.Unlock()
	if current && !stopped && f.Wake != nil {
		f.Wake(owner)
	}
}

// drop forgets what was wanted of an owner.
func (f *Fetcher) drop(owner artifacts.Owner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w, ok := f.wanted[owner]; ok {
		w.cancel()
		delete(f.wanted, owner)
	}
}

// final are the errors after which trying again is not likely to help.
var final = []error{
	ErrConfig, ErrDigest, ErrNotFound, artifacts.ErrLimit, artifacts.ErrArchive, artifacts.ErrBadPath,
	artifacts.ErrTooLarge, artifacts.ErrNoHeadroom,
}

// delay returns the time between a number of failures and the next try.
func (t timing) delay(tries int) time.Duration {
	d := t.minDelay
	for ; tries > 1 && d < t.maxDelay; tries-- {
		d *= 2
	}
	return min(d, t.maxDelay)
}
