package kustomize

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/fluxd/fluxd/pkg/transport"
)

// web loads files over HTTP from where that is allowed, and from nowhere else.
type web struct {
	client   *http.Client
	limit    int64
	loopback bool
}

// maxRedirects is how often an answer may lead on.
const maxRedirects = 5

func newWeb(c Config) *web {
	w := &web{limit: c.Limits.File, loopback: c.AllowLoopback}
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: w.control}
	w.client = &http.Client{
		Timeout: c.Timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second,
			// Such loads are rare: no connection is worth keeping.
			DisableKeepAlives: true, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("too many redirects")
			}
			return nil
		},
	}
	return w
}

// control is asked about every address that is about to be connected to, after names
// were resolved: no name can lead where its address may not.
func (w *web) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrAddress, address)
	}
	if !w.allowed(to.Addr().Unmap()) {
		return fmt.Errorf("%w: %s", ErrAddress, to.Addr())
	}
	return nil
}

func (w *web) allowed(a netip.Addr) bool {
	if transport.ServesCredentials(a) {
		return false
	}
	if a.IsLoopback() {
		return w.loopback
	}
	return a.IsGlobalUnicast() // neither link-local, multicast nor unspecified
}

// reachable says whether a host may be connected to, by somebody else. A name that
// does not resolve is left to whoever tries.
func (w *web) reachable(ctx context.Context, host string) error {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	for _, a := range addresses {
		if !w.allowed(a.Unmap()) {
			return fmt.Errorf("%w: %s", ErrAddress, a)
		}
	}
	return nil
}

// get loads one file. Errors quote no answer and no credentials.
func (w *web) get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("malformed URL")
	}
	response, err := w.client.Do(request)
	if err != nil {
		return nil, bare(err)
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, fmt.Errorf("HTTP status %d (%s)", response.StatusCode, http.StatusText(response.StatusCode))
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, w.limit+1))
	switch {
	case err != nil:
		return nil, bare(err)
	case int64(len(content)) > w.limit:
		return nil, fmt.Errorf("%w: the file has more than %d bytes", ErrLimit, w.limit)
	}
	return content, nil
}

// bare takes the URL off an error: it may be one of a redirect, with a token in it.
func bare(err error) error {
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		return urlErr.Err
	}
	return err
}
