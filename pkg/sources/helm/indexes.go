package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrMoved says that an index is not the recorded one any more.
var ErrMoved = errors.New("the index has changed since it was recorded")

// maxWants is how many wants one index may have.
const maxWants = 4096

// Source names a repository among all, as namespace and name.
type Source struct{ Namespace, Name string }

// Indexes is what the process knows of the indexes of its repositories: for each the
// digest, what the server needs to say that it is unchanged, and the answer to every
// want. It is safe for concurrent use.
//
// There is one read of an index at a time. It answers all that is wanted by then;
// whoever wants more meanwhile waits and has the index read once more, together with
// all others that came late.
type Indexes struct {
	wants func(Source) []Want

	mu    sync.Mutex // guards what follows, and the fields of every known
	known map[Source]*known
}

// known is what is known of one index.
type known struct {
	url  string
	last *reading // nil until the first
	// failure is why the last read of url failed, and at when; nil if it did not.
	failure error
	at      time.Time
	busy    *busy // nil while nobody reads
}

// failurePause is how long the failure of a read is the answer to all who want a chart,
// so that many charts of a broken repository do not read it in turn.
const failurePause = 10 * time.Second

// busy is a read under way.
type busy struct {
	done chan struct{}
	err  error // once it is done
}

// NewIndexes returns one that knows nothing. Wants returns all that is wanted of
// a repository, however often it was asked for before.
func NewIndexes(wants func(Source) []Want) *Indexes {
	return &Indexes{wants: wants, known: make(map[Source]*known)}
}

// Refresh has the index of a repository read if there is news, or if something is
// wanted that it has not been asked for. A read that is under way is as good.
func (x *Indexes) Refresh(ctx context.Context, source Source, r *Repository) (Summary, error) {
	for {
		k, other := x.enter(source)
		var err error
		if other == nil {
			err = x.read(ctx, source, k, r, nil, "")
		} else if err = other.wait(ctx); retry(ctx, err) {
			continue
		}
		if err != nil {
			return Summary{}, err
		}
		if s, ok := x.summary(source, r); ok {
			return s, nil
		}
	}
}

// Answer returns the release that a want stands for. The index is read if it was
// not yet read for it. With a pin, which is a digest, only the index of that digest
// counts; any other is [ErrMoved] and not remembered. [ErrNoChart] and [ErrEntry] are
// answers as well.
func (x *Indexes) Answer(ctx context.Context, source Source, r *Repository, want Want, pin string) (Release, error) {
	for {
		if a, ok, err := x.lookup(source, r, want, pin); ok || err != nil {
			return a.release, errors.Join(err, a.err)
		}
		k, other := x.enter(source)
		if other != nil {
			if err := other.wait(ctx); err != nil && !retry(ctx, err) {
				return Release{}, err
			}
			continue
		}
		if err := x.read(ctx, source, k, r, &want, pin); err != nil {
			return Release{}, err
		}
	}
}

// Recorded makes sure that the index is the one of a digest and known as such;
// any other is [ErrMoved].
func (x *Indexes) Recorded(ctx context.Context, source Source, r *Repository, digest string) error {
	for {
		if s, ok := x.summary(source, r); ok {
			if s.Digest != digest {
				return ErrMoved
			}
			return nil
		}
		k, other := x.enter(source)
		if other == nil {
			if err := x.read(ctx, source, k, r, nil, digest); err != nil {
				return err
			}
		} else if err := other.wait(ctx); err != nil && !retry(ctx, err) {
			return err
		}
	}
}

// lookup returns an answer that is known.
func (x *Indexes) lookup(source Source, r *Repository, want Want, pin string) (answer, bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.known[source]
	if k == nil || k.url != r.access.URL {
		return answer{}, false, nil
	}
	if a, ok := k.answer(want, pin); ok {
		return a, true, nil
	}
	if k.failure != nil && time.Since(k.at) < failurePause {
		return answer{}, false, k.failure
	}
	if k.last == nil {
		return answer{}, false, nil
	}
	if pin != "" && k.last.Digest != pin {
		return answer{}, false, ErrMoved
	}
	return answer{}, false, nil
}

// answer returns an answer of the index, whose digest is the pin if there is one.
func (k *known) answer(want Want, pin string) (answer, bool) {
	if k.last == nil || pin != "" && k.last.Digest != pin {
		return answer{}, false
	}
	a, ok := k.last.answers[want]
	return a, ok
}

// summary says what the index is if it is known.
func (x *Indexes) summary(source Source, r *Repository) (Summary, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.known[source]
	if k == nil || k.last == nil || k.url != r.access.URL {
		return Summary{}, false
	}
	return k.last.Summary, true
}

// Forget drops what is known of an index.
func (x *Indexes) Forget(source Source) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.known, source)
}

// enter makes the caller the one who reads, or returns the read that is under way.
func (x *Indexes) enter(source Source) (*known, *busy) {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.known[source]
	if k == nil {
		k = &known{}
		x.known[source] = k
	}
	if k.busy != nil {
		return nil, k.busy
	}
	k.busy = &busy{done: make(chan struct{}), err: errUnfinished}
	return k, nil
}

// errUnfinished is what others see if a reader panics; they go on in its place.
var errUnfinished = errors.Join(errors.New("the index was not read"), context.Canceled)

// read reads the index, after enter, and lets others know.
func (x *Indexes) read(ctx context.Context, source Source, k *known, r *Repository, extra *Want, pin string) (err error) {
	mine := k.busy
	defer func() {
		x.mu.Lock()
		k.busy = nil
		x.mu.Unlock()
		close(mine.done)
	}()
	wants := slices.Clone(x.wants(source))
	if extra != nil && !slices.Contains(wants, *extra) {
		wants = append(wants, *extra)
	}
	if len(wants) > maxWants {
		mine.err = fmt.Errorf("more than %d charts are wanted of one repository", maxWants)
		return mine.err
	}
	previous := x.previous(k, r, wants)
	got, err := r.read(ctx, previous, wants)
	if err == nil && pin != "" && got != nil && got.Digest != pin {
		err = ErrMoved
	}
	mine.err = err
	x.remember(k, r, got, err, ctx.Err() != nil && errors.Is(err, context.Canceled))
	return err
}

// remember keeps what came of a read. One that was told to stop says nothing.
func (x *Indexes) remember(k *known, r *Repository, got *reading, err error, stopped bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case stopped:
	case err != nil:
		if k.url != r.access.URL {
			k.url, k.last = r.access.URL, nil
		}
		k.failure, k.at = err, time.Now()
	case got != nil:
		k.url, k.last, k.failure = r.access.URL, got, nil
	default:
		k.failure = nil
	}
}

// previous returns the last reading if it would still do, were there no news.
func (x *Indexes) previous(k *known, r *Repository, wants []Want) *reading {
	x.mu.Lock()
	defer x.mu.Unlock()
	if k.last == nil || k.url != r.access.URL {
		return nil
	}
	for _, w := range wants {
		if _, ok := k.last.answers[w]; !ok {
			return nil
		}
	}
	return k.last
}

// wait returns the error of a read by somebody else once it is over.
func (b *busy) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-b.done:
		return b.err
	}
}

// retry says whether the read of somebody else was merely told to stop.
func retry(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}
