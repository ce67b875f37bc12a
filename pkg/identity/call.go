package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"
)

const (
	// callTimeout bounds one call to a cloud.
	callTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer, and of a file, in bytes.
	maxAnswer = 1 << 20
	// maxProblem bounds what an error repeats of an answer, in bytes.
	maxProblem = 300
)

// NoProxy stands for no proxy at all, whatever the environment says.
var NoProxy = &url.URL{}

// transport returns connections for one call. Calls are far between, so that none
// are kept.
func transport(proxy *url.URL) http.RoundTripper {
	t := &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
		Proxy: http.ProxyFromEnvironment,
	}
	switch proxy {
	case nil:
	case NoProxy:
		t.Proxy = nil
	default:
		t.Proxy = http.ProxyURL(proxy)
	}
	return t
}

// call is a request to a cloud.
type call struct {
	doing  string // for errors
	method string // GET if empty
	url    string
	form   url.Values
	body   []byte
	header map[string]string
	sign   func(*http.Request, []byte) // signs, if not nil
	// local marks the server of this machine, which no proxy can reach.
	local bool
	// flavor is a header that the answer must have: a server that lacks it is
	// not the one that was meant.
	flavor [2]string
	// problem finds what an answer that is no success says.
	problem func([]byte) string
	// secrets never get into errors.
	secrets []string
}

// answerOf sends a call and returns the body of the answer.
func (a *asking) answerOf(ctx context.Context, k call) ([]byte, error) {
	body, err := a.send(ctx, k)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.doing, err)
	}
	return body, nil
}

// decode sends a call and decodes the JSON of the answer.
func (a *asking) decode(ctx context.Context, k call, into any) error {
	body, err := a.answerOf(ctx, k)
	if err != nil {
		return err
	}
	if json.Unmarshal(body, into) != nil {
		return fmt.Errorf("%s: the answer is not the JSON that was expected", k.doing)
	}
	return nil
}

func (a *asking) send(ctx context.Context, k call) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := k.request(ctx)
	if err != nil {
		return nil, err
	}
	proxy := a.Proxy
	if k.local {
		proxy = NoProxy
	}
	client := &http.Client{
		Transport:     a.options.Transport(proxy),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, unreachable(req.URL, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, unreachable(req.URL, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%s answered with more than %d bytes", req.URL.Host, maxAnswer)
	case res.StatusCode/100 != 2:
		return nil, k.refusal(req.URL, res, body)
	case k.flavor[0] != "" && res.Header.Get(k.flavor[0]) != k.flavor[1]:
		return nil, fmt.Errorf("%s is not the metadata server", req.URL.Host)
	}
	return body, nil
}

func (k call) request(ctx context.Context) (*http.Request, error) {
	body := k.body
	if k.form != nil {
		body = []byte(k.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, k.method, k.url, strings.NewReader(string(body)))
	if err != nil {
		return nil, fmt.Errorf("%w: the endpoint is not a URL", ErrConfig)
	}
	if k.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range k.header {
		req.Header.Set(name, value)
	}
	if k.sign != nil {
		k.sign(req, body)
	}
	return req, nil
}

// refusal tells what the server said, without what it was told.
func (k call) refusal(u *url.URL, res *http.Response, body []byte) error {
	text := ""
	if k.problem != nil {
		text = plain(k.problem(body))
	}
	for _, secret := range append(k.secrets, k.form.Get("client_secret"), k.form.Get("client_assertion")) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "*****")
		}
	}
	status := fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode))
	if text == "" {
		return fmt.Errorf("%w: %s answered %s", ErrRefused, u.Host, status)
	}
	return fmt.Errorf("%w: %s answered %s: %s", ErrRefused, u.Host, status, text)
}

// plain returns the beginning of a text, without what does not print.
func plain(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(text) > maxProblem {
		text = strings.ToValidUTF8(text[:maxProblem], "") + "..."
	}
	return text
}

// unreachable returns an error of the transport without the URL, whose query may
// hold what nobody should read.
func unreachable(u *url.URL, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return fmt.Errorf("reach %s: %w", u.Host, err)
}

// readFile reads a file of bounded size.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		err = fmt.Errorf("%s has more than %d bytes", name, maxAnswer)
	}
	return data, err
}

// file returns the content of the file that an environment variable names.
func (a *asking) file(variable string) (string, error) {
	data, err := a.options.ReadFile(a.options.Env(variable))
	if err != nil {
		return "", fmt.Errorf("the file of %s: %w", variable, err)
	}
	return strings.TrimSpace(string(data)), nil
}
