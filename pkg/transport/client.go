package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// maxRedirects is how often an answer may lead on.
const maxRedirects = 10

var (
	// ErrRedirects says that answers lead on and on.
	ErrRedirects = errors.New("too many redirects")
	// ErrDowngrade says that an answer leads from https to http.
	ErrDowngrade = errors.New("redirect from https to http refused")
)

// NewClient returns a client that follows redirects, but never from https to
// http, and that sends Authorization and Cookie to the origin of the first request
// alone: the same scheme, host and port.
func NewClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: checkRedirect}
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	first, last := via[0], via[len(via)-1]
	switch {
	case len(via) > maxRedirects:
		return ErrRedirects
	case last.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: %s", ErrDowngrade, req.URL.Host)
	}
	if !SameOrigin(first.URL, req.URL) {
		for _, header := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
			req.Header.Del(header)
		}
	}
	req.Header.Del("Referer") // it may hold a token of the URL before
	return nil
}

// SameOrigin says whether two URLs have the same scheme, host and port.
func SameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// Bare takes the URL off an error of an [http.Client]: it may be one of a redirect,
// with a token in it.
func Bare(err error) error {
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		return urlErr.Err
	}
	return err
}
