package kube

import (
	"context"
	"io"
	"net/http"
	"time"
)

// slowestAnswer is after how long a request that is no watch is given up, with its answer.
// An API server ends its requests after a minute by itself, and says so; this is for what
// swallows requests on the way to it, which would hold a worker for ever.
const slowestAnswer = 75 * time.Second

// deadline gives up requests that are not answered.
type deadline struct{ next http.RoundTripper }

// WrappedRoundTripper returns the transport below.
func (d deadline) WrappedRoundTripper() http.RoundTripper { return d.next }

// RoundTrip implements [http.RoundTripper].
func (d deadline) RoundTrip(req *http.Request) (*http.Response, error) {
	query := req.URL.Query()
	if isWatch(query) || query.Get("follow") != "" {
		return d.next.RoundTrip(req)
	}
	ctx, cancel := context.WithTimeout(req.Context(), slowestAnswer)
	res, err := d.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &lastly{res.Body, cancel}
	return res, nil
}

// lastly is a body that calls a function when it is closed.
type lastly struct {
	io.ReadCloser
	then func()
}

// Close implements [io.Closer].
func (l *lastly) Close() error {
	defer l.then()
	return l.ReadCloser.Close()
}
