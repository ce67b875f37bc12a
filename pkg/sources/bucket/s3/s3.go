package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// Config says which bucket to read, and how.
type Config struct {
	// Endpoint is a host with or without a port.
	Endpoint string
	// Insecure speaks plain HTTP.
	Insecure bool
	// Region is that of the bucket, if it is known.
	Region string
	Bucket string
	// Credentials are asked before every request; nil is nobody.
	Credentials Credentials
	// Transport carries the requests.
	Transport http.RoundTripper
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// Credentials returns the keys to use now. They remember what does not change.
type Credentials func(ctx context.Context) (Keys, error)

// Fixed returns keys that stay as they are.
func Fixed(k Keys) Credentials {
	return func(context.Context) (Keys, error) { return k, nil }
}

// Service reads one bucket. It implements [bucket.Service].
type Service struct {
	config Config

	mu    sync.Mutex // guards place
	place place
}

// New returns the service of a bucket. It sends no request.
func New(c Config) (*Service, error) {
	if !isName(c.Bucket) {
		return nil, fmt.Errorf("%w %q", bucket.ErrName, c.Bucket)
	}
	p, err := placeOf(c.Endpoint, c.Region, c.Insecure)
	if err != nil {
		return nil, err
	}
	if c.Credentials == nil {
		c.Credentials = Fixed(Keys{})
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{config: c, place: p}, nil
}

// Region returns the region of the bucket as it is known now.
func (s *Service) Region() string { return s.where().region }

// where returns the place as it is known now.
func (s *Service) where() place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.place
}

// move remembers the region of the bucket. It says whether that is news.
func (s *Service) move(from place, region string) bool {
	if region == "" || region == from.region {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place.move(region)
	return true
}

// get sends a request for a key, or for the bucket itself if it is empty. It is sent
// once more if the bucket is in another region.
func (s *Service) get(ctx context.Context, key string, values url.Values) (*http.Response, error) {
	for moved := false; ; moved = true {
		keys, err := s.config.Credentials(ctx)
		if err != nil {
			return nil, err
		}
		p := s.where()
		wire := bucket.Wire{Transport: s.config.Transport, Secrets: []string{keys.Secret, keys.Token}}
		res, err := wire.Send(ctx, func() (*http.Request, error) {
			req, err := http.NewRequest(http.MethodGet, "/", nil)
			if err != nil {
				return nil, err
			}
			req.URL = p.url(s.config.Bucket, key, query(values))
			req.Host = req.URL.Host
			if key != "" {
				req.Header.Set("Accept-Encoding", "identity") // it may be stored compressed
			}
			sign(req, keys, p.region, s.config.Now())
			return req, nil
		}, refuse)
		elsewhere, ok := errors.AsType[*regionError](err)
		if !ok || moved || !s.move(p, elsewhere.region) {
			return res, err
		}
	}
}

// regionError says in which region the bucket is.
type regionError struct {
	region string
	err    error
}

func (e *regionError) Error() string { return e.err.Error() }
func (e *regionError) Unwrap() error { return e.err }

// refuse reads an answer that is no success.
func refuse(res *http.Response, body []byte) error {
	var said struct {
		XMLName               xml.Name `xml:"Error"`
		Code, Message, Region string
	}
	if xml.Unmarshal(body, &said) != nil {
		said.Code, said.Message = "", ""
	}
	answer := &bucket.AnswerError{Status: res.StatusCode, Code: said.Code, Message: said.Message}
	err := classify(res, answer)
	region := res.Header.Get("X-Amz-Bucket-Region")
	if region == "" {
		region = said.Region
	}
	if region != "" && (res.StatusCode/100 == 3 || res.StatusCode == http.StatusBadRequest) {
		return &regionError{region, err}
	}
	return err
}

// classify says what an answer means. The codes are those of the S3 API reference.
func classify(res *http.Response, answer *bucket.AnswerError) error {
	switch {
	case answer.Code == "NoSuchBucket":
		return fmt.Errorf("%w: %w", bucket.ErrNotFound, answer)
	case answer.Code == "NoSuchKey" || answer.Status == http.StatusNotFound && answer.Code == "":
		return fmt.Errorf("%w: %w", bucket.ErrGone, answer)
	case res.StatusCode/100 == 3 && answer.Code == "":
		return bucket.Redirected(res)
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden,
		strings.HasPrefix(answer.Code, "ExpiredToken"), answer.Code == "InvalidToken":
		return fmt.Errorf("%w: %w", bucket.ErrAuth, answer)
	}
	return answer
}
