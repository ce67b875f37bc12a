package azure

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// maxPage bounds a page of a listing, in bytes.
const maxPage = 4 << 20

// blob is one of a listing.
type blob struct {
	Name struct {
		// Encoded says that the name is escaped, since XML could not hold it.
		Encoded bool   `xml:",attr"`
		Text    string `xml:",chardata"`
	}
	Properties struct {
		Etag          string
		ContentLength int64 `xml:"Content-Length"`
		ResourceType  string
	}
}

// Page implements [bucket.Service].
func (s *Service) Page(ctx context.Context, prefix, token string) (bucket.Page, error) {
	values := url.Values{"restype": {"container"}, "comp": {"list"}, "maxresults": {"1000"}}
	if prefix != "" {
		values.Set("prefix", prefix)
	}
	if token != "" {
		values.Set("marker", token)
	}
	res, err := s.get(ctx, "", values)
	if err != nil {
		return bucket.Page{}, err
	}
	body := bucket.Bounded(res.Body, maxPage, "a page of the listing")
	defer body.Close()
	return readPage(body)
}

// readPage reads the answer to List Blobs.
func readPage(r io.Reader) (page bucket.Page, err error) {
	err = bucket.ReadXML(r, "EnumerationResults", map[string]func(func(any) error) error{
		"NextMarker": func(decode func(any) error) error { return decode(&page.Next) },
		"Blob": func(decode func(any) error) error {
			var b blob
			if err := decode(&b); err != nil {
				return err
			}
			if b.Properties.ResourceType == "directory" {
				return nil // what accounts with real directories list them as
			}
			if len(page.Entries) == bucket.MaxPage {
				return fmt.Errorf("%w: a page has more than %d blobs", bucket.ErrTooLarge, bucket.MaxPage)
			}
			e, err := b.entry()
			page.Entries = append(page.Entries, e)
			return err
		},
	})
	return page, err
}

func (b blob) entry() (bucket.Entry, error) {
	name := b.Name.Text
	if b.Name.Encoded {
		var err error
		if name, err = url.PathUnescape(name); err != nil {
			return bucket.Entry{}, fmt.Errorf("%w: the name %q is not escaped as it should be", bucket.ErrProtocol, name)
		}
	}
	if name == "" || b.Properties.ContentLength < 0 {
		return bucket.Entry{}, fmt.Errorf("%w: the blob %q has no name or no size", bucket.ErrProtocol, name)
	}
	return bucket.Entry{Key: name, ETag: quoted(b.Properties.Etag), Size: b.Properties.ContentLength}, nil
}

// quoted returns an entity tag as downloads have it.
func quoted(etag string) string {
	if etag = strings.Trim(etag, `"`); etag == "" {
		return ""
	}
	return `"` + etag + `"`
}

// Open implements [bucket.Service].
func (s *Service) Open(ctx context.Context, e bucket.Entry) (*bucket.Content, error) {
	res, err := s.get(ctx, e.Key, nil)
	if err != nil {
		return nil, err
	}
	return &bucket.Content{ReadCloser: res.Body, ETag: quoted(res.Header.Get("ETag"))}, nil
}
