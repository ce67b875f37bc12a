package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/transport"
)

// StatusError is an answer of a forge that is no success.
type StatusError struct {
	Code int
	text string
}

// Error tells what the forge said, and what that means for the token.
func (e *StatusError) Error() string {
	switch e.Code {
	case http.StatusUnauthorized:
		return "the token is not accepted: " + e.text
	case http.StatusForbidden:
		return "the token has no right to this: " + e.text
	}
	return e.text
}

// is says whether err is an answer with one of these codes.
func is(err error, codes ...int) bool {
	status, ok := errors.AsType[*StatusError](err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if status.Code == code {
			return true
		}
	}
	return false
}

// client speaks to the API of a forge.
type client struct {
	base   string
	token  string
	header string // that has the token
	prefix string // of the token in there
	accept string
	http   *http.Client
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 4 << 20

// call sends in as JSON, if it is not nil, and decodes the answer into out, if that is
// wanted.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	_, err := c.exchange(ctx, method, c.base+path, in, out)
	return err
}

// pages gets a list page by page, and hands each to take.
func pages[T any](ctx context.Context, c *client, path string, take func(T)) error {
	const most = 100 // pages
	next := c.base + path + "?per_page=100&limit=100"
	for range most {
		var page []T
		header, err := c.exchange(ctx, http.MethodGet, next, nil, &page)
		if err != nil {
			return err
		}
		for _, item := range page {
			take(item)
		}
		if next = c.following(header, next); next == "" {
			return nil
		}
	}
	return fmt.Errorf("a list has more than %d pages", most)
}

// following returns the next page by the header Link (RFC 8288), if it is of the same
// origin: the token goes nowhere else.
func (c *client) following(header http.Header, current string) string {
	for _, link := range strings.Split(strings.Join(header.Values("Link"), ","), ",") {
		target, parameters, ok := strings.Cut(strings.TrimSpace(link), ";")
		if !ok || !strings.Contains(parameters, `rel="next"`) {
			continue
		}
		now, errNow := url.Parse(current)
		next, errNext := url.Parse(strings.Trim(target, "<>"))
		if errNow == nil && errNext == nil && next.String() != current && transport.SameOrigin(now, next) {
			return next.String()
		}
	}
	return ""
}

func (c *client) exchange(ctx context.Context, method, address string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("the address of the forge is not a URL")
	}
	req.Header.Set(c.header, c.prefix+c.token)
	req.Header.Set("Accept", c.accept)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, req.URL.Redacted(), transport.Bare(err))
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, req.URL.Redacted(), err)
	}
	if res.StatusCode/100 != 2 {
		return nil, &StatusError{res.StatusCode, c.told(method, req.URL, res.Status, answer)}
	}
	if out == nil || len(answer) == 0 {
		return res.Header, nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return nil, fmt.Errorf("%s %s: the answer is not what the API of the forge says: is the hostname right?", method, req.URL.Redacted())
	}
	return res.Header, nil
}

// told returns what people may read of an answer.
func (c *client) told(method string, u *url.URL, status string, answer []byte) string {
	var said struct {
		Message any `json:"message"`
		Error   any `json:"error"`
		Errors  any `json:"errors"`
	}
	text := fmt.Sprintf("%s %s: %s", method, u.Redacted(), status)
	if json.Unmarshal(answer, &said) == nil {
		for _, part := range []any{said.Message, said.Error, said.Errors} {
			if words, err := json.Marshal(part); part != nil && err == nil {
				text += ": " + strings.Trim(string(words), `"`)
			}
		}
	}
	return strings.ReplaceAll(text, c.token, "*****")
}
