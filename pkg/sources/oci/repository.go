package oci

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// Options are how to reach a repository.
type Options struct {
	// Keychain holds the credentials; none of it means anonymously.
	Keychain Keychain
	// Transport does the requests: it knows the certificates and the proxy.
	Transport http.RoundTripper
	// Insecure allows plain HTTP where the registry does not speak TLS.
	Insecure bool
	// Tokens remembers access tokens; nil remembers them for this repository alone.
	Tokens *Tokens
	// Limits bound the files, and Limits.Bytes what is received as well.
	Limits artifacts.Limits
	// Memory is what fetched content is charged to. It is left by the caller when
	// nothing fetched is in use any more.
	Memory *artifacts.Share
}

// Repository is a repository of a registry and the right to read it. It is safe
// for concurrent use, but for reading layers: these are charged to one share of
// memory.
type Repository struct {
	name    Name
	options Options
	client  *client

	mu     sync.Mutex // guards remote
	remote *remote.Repository
}

// Open returns a repository. Nothing is asked yet. An error is [ErrURL].
func Open(rawURL string, o Options) (*Repository, error) {
	name, err := ParseName(rawURL)
	if err != nil {
		return nil, err
	}
	if o.Tokens == nil {
		o.Tokens = NewTokens()
	}
	r := &Repository{name: name, options: o}
	r.client = newClient(name, o)
	return r, nil
}

// Name returns which repository it is.
func (r *Repository) Name() Name { return r.name }

// Bounds of what a registry tells about its content.
const (
	maxManifest = 4 << 20 // as registries bound it themselves
	maxPages    = 1000
	pageSize    = 1000
	maxTags     = 100_000
)

// defaultBytes bounds what is received where Limits says nothing.
const defaultBytes = 256 << 20

func (r *Repository) maxBytes() int64 { return cmp.Or(r.options.Limits.Bytes, defaultBytes) }

// connect returns the repository once it is known how its registry is to be spoken to.
func (r *Repository) connect(ctx context.Context) (*remote.Repository, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.remote != nil {
		return r.remote, nil
	}
	plain := false
	if r.options.Insecure {
		var err error
		if plain, err = r.probe(ctx); err != nil {
			return nil, err
		}
	}
	r.client.plain = plain
	r.remote = &remote.Repository{
		Client:    r.client,
		Reference: registry.Reference{Registry: r.name.host(), Repository: r.name.Path},
		PlainHTTP: plain, MaxMetadataBytes: maxManifest,
		TagListPageSize: pageSize, TagListMaxPages: maxPages, ReferrerListMaxPages: 10,
	}
	return r.remote, nil
}

// plainFor is how long it is remembered that a registry speaks plain HTTP.
const plainFor = time.Hour

// probe says whether the registry speaks plain HTTP instead of TLS.
func (r *Repository) probe(ctx context.Context) (plain bool, err error) {
	key := keyOf("plain", r.name, r.client.credential) // what others did to find out is theirs
	if _, plain := r.options.Tokens.get(key); plain {
		return true, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+r.name.host()+"/v2/", nil)
	if err != nil {
		return false, err
	}
	res, err := r.client.http.Do(req)
	if err == nil {
		_ = res.Body.Close() // nobody reads it
		return false, nil
	}
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	if noTLS || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, syscall.ECONNREFUSED) {
		r.options.Tokens.put(key, token{until: time.Now().Add(plainFor)})
		return true, nil
	}
	return false, err
}

// slowest is how many bytes per second a registry has to send, on the average.
const slowest = 8 << 10

// patient returns a context that lets so many bytes arrive: the deadline of ctx is
// for what is small, so a transfer has, beyond it, the time that it needs at the
// slowest rate that is put up with.
func patient(ctx context.Context, bytes int64) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute)
	}
	extra := time.Duration(min(max(bytes, 0), 1<<40)/slowest) * time.Second
	inner, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(extra))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	return inner, func() { stop(); cancel() }
}

// closeWith joins the error of closing something to another.
func closeWith(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }

// failure says what was being done to which repository.
func (r *Repository) failure(ctx context.Context, doing string, err error) error {
	return r.explain(ctx, fmt.Sprintf("%s '%s%s'", doing, Scheme, r.name), err)
}
