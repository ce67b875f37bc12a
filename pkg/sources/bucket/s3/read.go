package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// maxPage bounds a page of a listing, in bytes. It has a thousand objects, and a key
// has a kilobyte at most before it is escaped.
const maxPage = 8 << 20

// listing is the answer to ListObjects, of either version.
type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	NextContinuationToken string
	NextMarker            string
	EncodingType          string
	Contents              []struct {
		Key, ETag string
		Size      int64
	}
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
	if err := xml.NewDecoder(body).Decode(&l); err != nil {
		return bucket.Page{}, fmt.Errorf("%w: it is no listing of S3: %w", bucket.ErrProtocol, err)
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

// page returns what is listed. Every entry has a key and a size that can be.
func (l *listing) page(old bool) (bucket.Page, error) {
	page := bucket.Page{Entries: make([]bucket.Entry, 0, len(l.Contents))}
	for _, c := range l.Contents {
		key := c.Key
		if l.EncodingType == "url" {
			var err error
			if key, err = url.QueryUnescape(key); err != nil {
				return page, fmt.Errorf("%w: the key %q is not escaped as it should be", bucket.ErrProtocol, c.Key)
			}
		}
		if key == "" || c.Size < 0 {
			return page, fmt.Errorf("%w: the object %q has no key or no size", bucket.ErrProtocol, key)
		}
		page.Entries = append(page.Entries, bucket.Entry{Key: key, ETag: bare(c.ETag), Size: c.Size})
	}
	if !l.IsTruncated {
		return page, nil
	}
	switch {
	case !old:
		page.Next = l.NextContinuationToken
	case l.NextMarker != "":
		page.Next = l.NextMarker
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
