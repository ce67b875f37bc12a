package gcs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// Config says which bucket to read, and how.
type Config struct {
	Bucket string
	// Endpoint is where the API is; Google's own if empty.
	Endpoint string
	// Token returns a bearer token to use now. Nil is nobody.
	Token func(ctx context.Context) (string, error)
	// Transport carries the requests.
	Transport http.RoundTripper
}

// Endpoint is where the API of Google is.
const Endpoint = "https://storage.googleapis.com"

// Scope is the right that tokens must have.
const Scope = "https://www.googleapis.com/auth/devstorage.read_only"

// Service reads one bucket. It implements [bucket.Service].
type Service struct {
	config Config
	base   *url.URL // of the objects of the bucket
}

// New returns the service of a bucket. It sends no request.
func New(c Config) (*Service, error) {
	if c.Bucket == "" || strings.ContainsAny(c.Bucket, "/?#%\x00") || strings.Trim(c.Bucket, ".") == "" {
		return nil, fmt.Errorf("%w %q", bucket.ErrName, c.Bucket)
	}
	u, err := url.Parse(cmp.Or(c.Endpoint, Endpoint))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: it is not a URL", bucket.ErrEndpoint)
	}
	u.Path, u.RawPath, u.RawQuery = strings.TrimSuffix(u.Path, "/")+"/storage/v1/b/"+c.Bucket+"/o", "", ""
	return &Service{config: c, base: u}, nil
}

// get asks for an object, or for the listing if the key is empty.
func (s *Service) get(ctx context.Context, key string, values url.Values) (*http.Response, error) {
	token, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	u := *s.base
	u.RawQuery = values.Encode()
	if key != "" {
		u.Path, u.RawPath = u.Path+"/"+key, u.EscapedPath()+"/"+bucket.Escape(key, "")
	}
	wire := bucket.Wire{Transport: s.config.Transport, Secrets: []string{token}}
	return wire.Send(ctx, func() (*http.Request, error) {
		req := &http.Request{Method: http.MethodGet, URL: &u, Host: u.Host, Header: make(http.Header)}
		// The API compresses its answers for whoever says so here too.
		req.Header.Set("User-Agent", "fluxd (gzip)")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		return req, nil
	}, refuse)
}

func (s *Service) token(ctx context.Context) (string, error) {
	if s.config.Token == nil {
		return "", nil
	}
	return s.config.Token(ctx)
}

// refuse reads an answer that is no success.
func refuse(res *http.Response, body []byte) error {
	var said struct {
		Error struct {
			Message string
			Errors  []struct{ Reason string }
		}
	}
	answer := &bucket.AnswerError{Status: res.StatusCode}
	if json.Unmarshal(body, &said) == nil {
		answer.Message = said.Error.Message
		if len(said.Error.Errors) > 0 {
			answer.Code = said.Error.Errors[0].Reason
		}
	}
	switch {
	case res.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %w", bucket.ErrGone, answer)
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %w", bucket.ErrAuth, answer)
	case res.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", errOther, answer)
	case res.StatusCode/100 == 3:
		return bucket.Redirected(res)
	}
	return answer
}

// errOther says that the object is of another generation.
var errOther = errors.New("the object has changed")

// object is what the API says about one.
type object struct {
	Name, ETag, Generation string
	Size                   int64 `json:",string"`
}

func (o object) entry() (bucket.Entry, error) {
	if o.Name == "" || o.Size < 0 {
		return bucket.Entry{}, fmt.Errorf("%w: the object %q has no name or no size", bucket.ErrProtocol, o.Name)
	}
	return bucket.Entry{Key: o.Name, ETag: o.ETag, Size: o.Size, Version: o.Generation}, nil
}

// objects are those of a page, which are bounded before they are many.
type objects []object

var errNoList = errors.New("the items are no list")

// UnmarshalJSON implements [json.Unmarshaler].
func (o *objects) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	switch begin, err := d.Token(); {
	case err != nil || begin == nil: // null is none
		return err
	case begin != json.Delim('['):
		return errNoList
	}
	for d.More() {
		if len(*o) == bucket.MaxPage {
			return fmt.Errorf("%w: a page has more than %d objects", bucket.ErrTooLarge, bucket.MaxPage)
		}
		var one object
		if err := d.Decode(&one); err != nil {
			return err
		}
		*o = append(*o, one)
	}
	return nil
}

// maxPage bounds a page of a listing, in bytes.
const maxPage = 4 << 20

// read decodes an answer.
func read(res *http.Response, into any) error {
	body := bucket.Bounded(res.Body, maxPage, "a page of the listing")
	defer body.Close()
	err := json.NewDecoder(body).Decode(into)
	if err != nil && !errors.Is(err, bucket.ErrTooLarge) {
		return fmt.Errorf("%w: it is none of Google Cloud Storage: %w", bucket.ErrProtocol, err)
	}
	return err
}

const fields = "name,etag,size,generation"

// Page implements [bucket.Service].
func (s *Service) Page(ctx context.Context, prefix, token string) (bucket.Page, error) {
	values := url.Values{"maxResults": {"1000"}, "fields": {"kind,nextPageToken,items(" + fields + ")"}}
	if prefix != "" {
		values.Set("prefix", prefix)
	}
	if token != "" {
		values.Set("pageToken", token)
	}
	res, err := s.get(ctx, "", values)
	if answer, ok := errors.AsType[*bucket.AnswerError](err); ok && errors.Is(err, bucket.ErrGone) {
		return bucket.Page{}, fmt.Errorf("%w: %w", bucket.ErrNotFound, answer)
	}
	if err != nil {
		return bucket.Page{}, err
	}
	var said struct {
		Kind, NextPageToken string
		Items               objects
	}
	if err := read(res, &said); err != nil {
		return bucket.Page{}, err
	}
	if said.Kind != "storage#objects" {
		return bucket.Page{}, fmt.Errorf("%w: it is no listing of Google Cloud Storage", bucket.ErrProtocol)
	}
	page := bucket.Page{Next: said.NextPageToken, Entries: make([]bucket.Entry, len(said.Items))}
	for i, o := range said.Items {
		if page.Entries[i], err = o.entry(); err != nil {
			return page, err
		}
	}
	return page, nil
}

// changes is how often an object may change while it is being opened.
const changes = 3

// Open implements [bucket.Service]. What is read is the generation of the entry or,
// if the object has changed, the one that it has then.
func (s *Service) Open(ctx context.Context, e bucket.Entry) (*bucket.Content, error) {
	for range changes {
		values := url.Values{"alt": {"media"}}
		if e.Version != "" {
			values.Set("ifGenerationMatch", e.Version)
		}
		res, err := s.get(ctx, e.Key, values)
		if err == nil {
			return &bucket.Content{ReadCloser: res.Body, ETag: e.ETag}, nil
		}
		if !errors.Is(err, errOther) {
			return nil, err
		}
		if e, err = s.stat(ctx, e.Key); err != nil {
			return nil, err
		}
	}
	return nil, errOther
}

func (s *Service) stat(ctx context.Context, key string) (bucket.Entry, error) {
	res, err := s.get(ctx, key, url.Values{"fields": {fields}})
	if err != nil {
		return bucket.Entry{}, err
	}
	var o object
	if err := read(res, &o); err != nil {
		return bucket.Entry{}, err
	}
	return o.entry()
}
