package bucket

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// Service is one bucket of some provider. It is safe for concurrent use.
type Service interface {
	// Page returns one page of the objects whose keys begin with prefix. The token
	// is that of the page before; the first page has none.
	Page(ctx context.Context, prefix, token string) (Page, error)
	// Open returns the content of an object as it is now, which may be newer than
	// the entry. [ErrGone] says that there is none any more.
	Open(ctx context.Context, e Entry) (*Content, error)
}

// MaxPage bounds the objects of a page, whatever a store was asked for.
const MaxPage = 10_000

// Page is a part of a listing.
type Page struct {
	Entries []Entry
	// Next is the token of the next page, empty if this is the last one.
	Next string
}

// Entry is what a listing says about an object.
type Entry struct {
	Key string
	// ETag changes with the content. It has the form that the artifacts of this
	// provider are known by.
	ETag string
	Size int64
	// Version is for the provider itself.
	Version string
}

// Content is an object that is being read. The reader must be closed.
type Content struct {
	io.ReadCloser
	// ETag is that of what is read, empty if the provider does not say.
	ETag string
}

// Source is what to read of a bucket.
type Source struct {
	Service Service
	// Name is the bucket, as messages name it.
	Name string
	// Place tells this bucket from every other, wherever that is.
	Place string
	// Prefix selects objects by the beginning of their keys.
	Prefix string
	// Ignore holds patterns in the form of a gitignore file. They win over those
	// of the object .sourceignore.
	Ignore string
	// Timeout bounds the listing, and once more the download; a minute if zero.
	Timeout time.Duration
	// Limits bound the files.
	Limits artifacts.Limits
	// Memory is what fetched objects are charged to. It is left by the caller when
	// the snapshot is stored.
	Memory *artifacts.Share
}

func (s *Source) timeout() time.Duration { return cmp.Or(s.Timeout, time.Minute) }

// The defaults of [artifacts.Limits] that are checked before anything is fetched.
const (
	defaultBytes = 256 << 20
	defaultFiles = 100_000
)

func (s *Source) maxBytes() int64 { return cmp.Or(s.Limits.Bytes, defaultBytes) }
func (s *Source) maxFiles() int   { return cmp.Or(s.Limits.Files, defaultFiles) }
