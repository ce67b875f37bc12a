package azure

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// Config says which container to read, and how. At most one of Key, SAS and Token is
// set; without any, it is read as nobody.
type Config struct {
	// Endpoint is the URL of the storage account.
	Endpoint  string
	Container string
	// Key is that of the account, in base64.
	Key string
	// SAS is a shared access signature: a query string, with or without its ?.
	SAS string
	// Token returns a bearer token to use now.
	Token func(ctx context.Context) (string, error)
	// Transport carries the requests.
	Transport http.RoundTripper
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// version is that of the protocol.
const version = "2021-12-02"

// Service reads one container. It implements [bucket.Service].
type Service struct {
	config  Config
	base    *url.URL // of the container
	account string
	key     []byte
	secrets []string
}

// New returns the service of a container. It sends no request.
func New(c Config) (*Service, error) {
	if !isContainer(c.Container) {
		return nil, fmt.Errorf("%w %q", bucket.ErrName, c.Container)
	}
	u, err := parse(c.Endpoint)
	if err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Service{config: c, base: u}
	switch {
	case c.Key != "":
		err = s.useKey()
	case c.SAS != "":
		err = merge(u, c.SAS)
	case c.Token != nil && u.Scheme != "https":
		err = fmt.Errorf("%w: a token is sent over https only", bucket.ErrEndpoint)
	}
	if err != nil {
		return nil, err
	}
	if sig := u.Query().Get("sig"); sig != "" {
		s.secrets = append(s.secrets, sig, url.QueryEscape(sig))
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + c.Container
	u.RawPath = ""
	return s, nil
}

func (s *Service) useKey() error {
	var err error
	if s.account, err = account(s.base); err != nil {
		return err
	}
	if s.key, err = base64.StdEncoding.DecodeString(strings.TrimSpace(s.config.Key)); err != nil {
		return fmt.Errorf("%w: the key of the account is not base64", bucket.ErrCredentials)
	}
	s.secrets = append(s.secrets, strings.TrimSpace(s.config.Key))
	return nil
}

// get asks for a blob, or for the listing if the name is empty.
func (s *Service) get(ctx context.Context, name string, values url.Values) (*http.Response, error) {
	u := *s.base
	all := u.Query()
	for parameter, value := range values {
		all[parameter] = value
	}
	u.RawQuery = all.Encode()
	if name != "" {
		u.Path, u.RawPath = u.Path+"/"+name, u.EscapedPath()+"/"+bucket.Escape(name, "/")
	}
	token := ""
	if s.config.Token != nil && s.key == nil && s.config.SAS == "" {
		var err error
		if token, err = s.config.Token(ctx); err != nil {
			return nil, err
		}
	}
	wire := bucket.Wire{Transport: s.config.Transport, Secrets: append([]string{token}, s.secrets...)}
	return wire.Send(ctx, func() (*http.Request, error) {
		req := &http.Request{Method: http.MethodGet, URL: &u, Host: u.Host, Header: make(http.Header)}
		req.Header.Set("x-ms-version", version)
		req.Header.Set("x-ms-date", s.config.Now().UTC().Format(http.TimeFormat))
		switch {
		case s.key != nil:
			sign(req, s.account, s.key)
		case token != "":
			req.Header.Set("Authorization", "Bearer "+token)
		}
		return req, nil
	}, refuse)
}

// refuse reads an answer that is no success.
func refuse(res *http.Response, body []byte) error {
	var said struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}
	answer := &bucket.AnswerError{Status: res.StatusCode, Code: res.Header.Get("x-ms-error-code")}
	if xml.Unmarshal(body, &said) == nil {
		// What follows is an identifier and the time, new with every answer.
		answer.Message, _, _ = strings.Cut(said.Message, "\n")
		if answer.Code == "" {
			answer.Code = said.Code
		}
	}
	switch {
	case answer.Code == "ContainerNotFound" || answer.Code == "ResourceNotFound":
		return fmt.Errorf("%w: %w", bucket.ErrNotFound, answer)
	case res.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %w", bucket.ErrGone, answer)
	case answer.Code == "AuthenticationFailed":
		return fmt.Errorf("%w, or the container does not exist: %w", bucket.ErrAuth, answer)
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %w", bucket.ErrAuth, answer)
	case res.StatusCode/100 == 3:
		return bucket.Redirected(res)
	}
	return answer
}
