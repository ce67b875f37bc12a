package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// LDAP is a login of a directory, which a token service trades for keys that
// expire.
type LDAP struct {
	// Endpoint is an http or https URL.
	Endpoint           string
	Username, Password string
	// Transport carries the request.
	Transport http.RoundTripper
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// CheckEndpoint says whether a URL can be that of a token service.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%w: it is not an http or https URL", bucket.ErrEndpoint)
	}
	return nil
}

// early is how long before their end keys are not used any more.
const early = time.Minute

// Credentials returns what trades the login for keys, and for new ones when those
// end.
func (l LDAP) Credentials() Credentials {
	if l.Now == nil {
		l.Now = time.Now
	}
	var mu sync.Mutex
	var keys Keys
	return func(ctx context.Context) (Keys, error) {
		mu.Lock()
		defer mu.Unlock()
		if keys.Access != "" && (keys.Expires.IsZero() || l.Now().Before(keys.Expires.Add(-early))) {
			return keys, nil
		}
		var err error
		keys, err = l.trade(ctx)
		return keys, err
	}
}

// maxTrade bounds the answer of a token service, in bytes.
const maxTrade = 64 << 10

func (l LDAP) trade(ctx context.Context) (Keys, error) {
	form := url.Values{
		"Action": {"AssumeRoleWithLDAPIdentity"}, "Version": {"2011-06-15"},
		"LDAPUsername": {l.Username}, "LDAPPassword": {l.Password},
	}.Encode()
	wire := bucket.Wire{Transport: l.Transport, Secrets: []string{l.Password, url.QueryEscape(l.Password)}}
	res, err := wire.Send(ctx, func() (*http.Request, error) {
		req, err := http.NewRequest(http.MethodPost, l.Endpoint, strings.NewReader(form))
		if err != nil {
			return nil, fmt.Errorf("%w: it is not a URL", bucket.ErrEndpoint)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return req, nil
	}, refuseTrade)
	if err != nil {
		return Keys{}, fmt.Errorf("log in at the token service: %w", err)
	}
	body := bucket.Bounded(res.Body, maxTrade, "the answer of the token service")
	defer body.Close()
	keys, err := readKeys(body)
	if err != nil {
		return Keys{}, fmt.Errorf("log in at the token service: %w", err)
	}
	return keys, nil
}

func readKeys(r io.Reader) (Keys, error) {
	var c struct {
		AccessKeyId, SecretAccessKey, SessionToken string
		Expiration                                 time.Time
	}
	err := bucket.ReadXML(r, "AssumeRoleWithLDAPIdentityResponse", map[string]func(func(any) error) error{
		"Credentials": func(decode func(any) error) error { return decode(&c) },
	})
	if err != nil {
		return Keys{}, err
	}
	if c.AccessKeyId == "" || c.SecretAccessKey == "" {
		return Keys{}, fmt.Errorf("%w: the token service gave no keys", bucket.ErrProtocol)
	}
	return Keys{Access: c.AccessKeyId, Secret: c.SecretAccessKey, Token: c.SessionToken, Expires: c.Expiration}, nil
}

// refuseTrade reads an answer of a token service that is no success.
func refuseTrade(res *http.Response, body []byte) error {
	var said struct {
		Error struct{ Code, Message string }
	}
	answer := &bucket.AnswerError{Status: res.StatusCode}
	if xml.Unmarshal(body, &said) == nil {
		answer.Code, answer.Message = said.Error.Code, said.Error.Message
	}
	switch {
	case res.StatusCode/100 == 3:
		return bucket.Redirected(res)
	case res.StatusCode/100 == 4 && !answer.Temporary():
		return fmt.Errorf("%w: %w", bucket.ErrAuth, answer)
	}
	return answer
}
