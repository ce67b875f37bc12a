package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
)

// S3Client speaks to an S3 server.
type S3Client struct {
	url       string // without a path
	transport http.RoundTripper
	options   S3Options
}

// Client returns a client that comes in through the door as others do. It trusts
// the server.
func (s *S3) Client() *S3Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	if s.Authority != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: s.Authority.Pool(), MinVersion: tls.VersionTLS12}
	}
	return &S3Client{url: s.URL, transport: transport, options: s.options}
}

// MakeBucket creates a bucket.
func (c *S3Client) MakeBucket(ctx context.Context, bucket string) error {
	_, err := c.do(ctx, http.MethodPut, "/"+bucket, nil, nil)
	return err
}

// Put stores an object.
func (c *S3Client) Put(ctx context.Context, bucket, key string, content []byte) error {
	_, err := c.do(ctx, http.MethodPut, "/"+bucket+"/"+key, nil, content)
	return err
}

// Object returns the content of an object.
func (c *S3Client) Object(ctx context.Context, bucket, key string) ([]byte, error) {
	return c.do(ctx, http.MethodGet, "/"+bucket+"/"+key, nil, nil)
}

// Remove removes an object.
func (c *S3Client) Remove(ctx context.Context, bucket, key string) error {
	_, err := c.do(ctx, http.MethodDelete, "/"+bucket+"/"+key, nil, nil)
	return err
}

// List returns the keys of all objects in a bucket, in order.
func (c *S3Client) List(ctx context.Context, bucket string) ([]string, error) {
	var keys []string
	query := url.Values{"list-type": {"2"}}
	for {
		body, err := c.do(ctx, http.MethodGet, "/"+bucket, query, nil)
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

// do sends a signed request and returns the body of the answer.
func (c *S3Client) do(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	target := url.URL{Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, c.url+target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	c.sign(req, body)
	_, content, err := roundTrip(c.transport, req)
	return content, err
}
