package upstream

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
)

// MakeBucket creates a bucket.
func (s *S3) MakeBucket(ctx context.Context, bucket string) error {
	_, err := s.do(ctx, http.MethodPut, "/"+bucket, nil, nil)
	return err
}

// Put stores an object.
func (s *S3) Put(ctx context.Context, bucket, key string, content []byte) error {
	_, err := s.do(ctx, http.MethodPut, "/"+bucket+"/"+key, nil, content)
	return err
}

// Object returns the content of an object.
func (s *S3) Object(ctx context.Context, bucket, key string) ([]byte, error) {
	return s.do(ctx, http.MethodGet, "/"+bucket+"/"+key, nil, nil)
}

// Remove removes an object.
func (s *S3) Remove(ctx context.Context, bucket, key string) error {
	_, err := s.do(ctx, http.MethodDelete, "/"+bucket+"/"+key, nil, nil)
	return err
}

// List returns the keys of all objects in a bucket, in order.
func (s *S3) List(ctx context.Context, bucket string) ([]string, error) {
	var keys []string
	query := url.Values{"list-type": {"2"}}
	for {
		body, err := s.do(ctx, http.MethodGet, "/"+bucket, query, nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Contents              []struct{ Key string }
			NextContinuationToken string
		}
		if err := xml.Unmarshal(body, &page); err != nil {
			return nil, fmt.Errorf("read the list of %s: %w", bucket, err)
		}
		for _, object := range page.Contents {
			keys = append(keys, object.Key)
		}
		if page.NextContinuationToken == "" {
			return keys, nil
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
}

// do sends a signed request past the door, so that it is not counted, and returns
// the body of the answer.
func (s *S3) do(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	target := url.URL{Scheme: "http", Host: "server", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	s.sign(req, body)
	_, content, err := s.roundTrip(req)
	return content, err
}
