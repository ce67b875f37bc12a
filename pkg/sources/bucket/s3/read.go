package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// maxPage bounds a page of a listing, in bytes. It has a thousand objects, and a key
// has a kilobyte at most before it is escaped.
const maxPage = 4 << 20

// listing is the answer to ListObjects, of either version.
type listing struct {
	truncated    bool
	next, marker string
	escaped      string // how
	entries      []bucket.Entry
}

// read reads the answer.
func (l *listing) read(r io.Reader) error {
	text := func(into any) func(func(any) error) error {
		return func(decode func(any) error) error { return decode(into) }
	}
	return bucket.ReadXML(r, "ListBucketResult", map[string]func(func(any) error) error{
		"IsTruncated": text(&l.truncated), "NextContinuationToken": text(&l.next), "NextMarker": text(&l.marker),
		"EncodingType": text(&l.escaped), "Contents": l.object,
	})
}

func (l *listing) object(decode func(any) error) error {
	var o struct {
		Key, ETag string
		Size      int64
	}
	if err := decode(&o); err != nil {
		return err
	}
	if o.Key == "" || o.Size < 0 {
		return fmt.Errorf("%w: the object %q has no key or no size", bucket.ErrProtocol, bucket.Clean(o.Key))
	}
	if len(l.entries) == bucket.MaxPage {
		return fmt.Errorf("%w: a page has more than %d objects", bucket.ErrTooLarge, bucket.MaxPage)
	}
	l.entries = append(l.entries, bucket.Entry{Key: o.Key, ETag: bare(o.ETag), Size: o.Size})
	return nil
}

// Page implements [bucket.Service].
func (s *Service) Page(ctx context.Context, prefix, token string) (bucket.Page, error) {
	old := s.where().google()
	values := url.Values{"encoding-type": {"url"}, "max-keys": {"1000"}}
	if prefix != "" {
		values.Set("prefix", prefix)
	}
	switch {
	case !old:
		values.Set("list-type", "2")
		if token != "" {
			values.Set("continuation-token", token)
		}
	case token != "":
		values.Set("marker", token)
	}
	res, err := s.get(ctx, "", values)
	if err != nil {
		return bucket.Page{}, missing(err)
	}
	body := bucket.Bounded(res.Body, maxPage, "a page of the listing")
	defer body.Close()
	var l listing
	if err := l.read(body); err != nil {
		return bucket.Page{}, err
	}
	return l.page(old)
}

// missing takes a listing that is not found for a bucket that does not exist.
func missing(err error) error {
	if answer, ok := errors.AsType[*bucket.AnswerError](err); ok && errors.Is(err, bucket.ErrGone) {
		return fmt.Errorf("%w: %w", bucket.ErrNotFound, answer)
	}
	return err
}

// page returns what is listed.
func (l *listing) page(old bool) (bucket.Page, error) {
	page := bucket.Page{Entries: l.entries}
	if l.escaped == "url" {
		for i, e := range l.entries {
			key, err := url.QueryUnescape(e.Key)
			if err != nil {
				return page, fmt.Errorf("%w: the key %q is not escaped as it should be", bucket.ErrProtocol, bucket.Clean(e.Key))
			}
			l.entries[i].Key = key
		}
	}
	if !l.truncated {
		return page, nil
	}
	switch {
	case !old:
		page.Next = l.next
	case l.marker != "":
		page.Next = l.marker
	case len(page.Entries) > 0:
		page.Next = page.Entries[len(page.Entries)-1].Key
	}
	if page.Next == "" {
		return page, fmt.Errorf("%w: the listing goes on and does not say where", bucket.ErrProtocol)
	}
	return page, nil
}

// bare takes the quotes off an entity tag.
func bare(etag string) string { return strings.Trim(etag, `"`) }

// Open implements [bucket.Service].
func (s *Service) Open(ctx context.Context, e bucket.Entry) (*bucket.Content, error) {
	res, err := s.get(ctx, e.Key, nil)
	if err != nil {
		return nil, err
	}
	return &bucket.Content{ReadCloser: res.Body, ETag: bare(res.Header.Get("ETag"))}, nil
}
