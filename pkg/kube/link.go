package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/flowcontrol"
)

// Limits of what another cluster may do to us.
const (
	maxAnswer     = 32 << 20 // bytes
	maxRetryAfter = 2        // seconds that a request may be made to wait
	firstSilence  = 10 * time.Second
	longSilence   = 2 * time.Minute
	// fairHeader is on every answer of an API server with priority and fairness.
	fairHeader = "X-Kubernetes-Pf-Flowschema-Uid"
)

// ErrAnswerTooLarge says that an answer was cut off.
var ErrAnswerTooLarge = errors.New("the answer of the API server is too large")

// UnreachableError says that a cluster did not answer.
type UnreachableError struct{ text string }

// Error tells why in the words of the first failure. The cause is not unwrapped: a
// request that is refused because another one failed is not worth to be repeated.
func (e *UnreachableError) Error() string { return "the cluster does not answer: " + e.text }

// link is the [http.RoundTripper] that all requests to another cluster go through.
type link struct {
	base http.RoundTripper
	now  func() time.Time
	pace *pace

	mu       sync.Mutex // guards the fields below
	failure  *UnreachableError
	until    time.Time // nobody asks before
	failures int       // in a row
}

func newLink(base http.RoundTripper, now func() time.Time) *link {
	return &link{base: base, now: now, pace: &pace{RateLimiter: flowcontrol.NewTokenBucketRateLimiter(5, 10)}}
}

// state returns the failure if the cluster was silent when it was last asked, and
// whether it is time to ask again.
func (l *link) state() (err error, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		return nil, true
	}
	return l.failure, !l.now().Before(l.until)
}

// RoundTrip implements [http.RoundTripper].
func (l *link) RoundTrip(req *http.Request) (*http.Response, error) {
	if err, again := l.state(); err != nil && !again {
		if req.Body != nil {
			_ = req.Body.Close() // it was not read
		}
		return nil, err
	}
	res, err := l.base.RoundTrip(req)
	if err != nil {
		if !errors.Is(req.Context().Err(), context.Canceled) {
			l.failed(err)
		}
		return nil, err
	}
	l.answered(res)
	return bound(res), nil
}

func (l *link) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.failure != nil && now.Before(l.until) {
		return // one of several that were under way
	}
	l.failure = &UnreachableError{err.Error()}
	l.until = now.Add(min(firstSilence<<min(l.failures, 10), longSilence))
	l.failures++
}

func (l *link) answered(res *http.Response) {
	if res.Header.Get(fairHeader) != "" {
		l.pace.fair.Store(true)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure, l.failures = nil, 0
}

// bound limits what an answer can do. The body of an error that is not JSON is left
// out, since client-go would repeat it: whoever wrote the kubeconfig could have it
// name any server that we reach, and read what that says.
func bound(res *http.Response) *http.Response {
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || seconds > maxRetryAfter {
		res.Header.Del("Retry-After")
	}
	res.Body = &bounded{ReadCloser: res.Body, left: maxAnswer}
	if res.StatusCode >= http.StatusBadRequest && !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		_ = res.Body.Close() // nobody reads it
		res.Body = http.NoBody
	}
	return res
}

// bounded is a body that ends with an error when it gets too large.
type bounded struct {
	io.ReadCloser
	left int64
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrAnswerTooLarge, maxAnswer)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// pace limits requests until the API server has shown that it does so itself.
type pace struct {
	flowcontrol.RateLimiter
	fair atomic.Bool
}

// TryAccept implements [flowcontrol.RateLimiter].
func (p *pace) TryAccept() bool { return p.fair.Load() || p.RateLimiter.TryAccept() }

// Accept implements [flowcontrol.RateLimiter].
func (p *pace) Accept() {
	if !p.fair.Load() {
		p.RateLimiter.Accept()
	}
}

// Wait implements [flowcontrol.RateLimiter].
func (p *pace) Wait(ctx context.Context) error {
	if p.fair.Load() {
		return nil
	}
	return p.RateLimiter.Wait(ctx)
}
