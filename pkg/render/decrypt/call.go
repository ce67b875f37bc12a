package decrypt

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/fluxd/fluxd/pkg/transport"
)

const (
	// callTimeout bounds one call to a key service.
	callTimeout = 15 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
)

// newClient returns the client for all calls. It follows no redirects: what is sent is
// for one server.
func (s *Services) newClient() (*http.Client, error) {
	c := &http.Client{
		Transport:     s.config.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.Transport != nil {
		return c, nil
	}
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: callTimeout, Control: transport.Guard}
	c.Transport = &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: callTimeout,
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true,
	}
	return c, nil
}

// roots returns the authorities of the system and of VAULT_CACERT; nil means those of
// the system.
func (s *Services) roots() (*x509.CertPool, error) {
	name := s.config.Env("VAULT_CACERT")
	if name == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("VAULT_CACERT: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the root certificates of the system: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("VAULT_CACERT: the file holds no certificate")
	}
	return roots, nil
}

// post sends a body and decodes the answer, JSON, into into.
func (s *Services) post(ctx context.Context, address string, header http.Header, body []byte, sign func(*http.Request), into any) error {
	answer, err := s.send(ctx, address, header, body, sign)
	if err != nil {
		return err
	}
	if json.Unmarshal(answer, into) != nil {
		return errAnswer
	}
	return nil
}

// send sends a body and returns the body of the answer.
func (s *Services) send(ctx context.Context, address string, header http.Header, body []byte, sign func(*http.Request)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, unusable("address")
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if sign != nil {
		sign(request)
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", request.URL.Host, bare(err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reach %s: %w", request.URL.Host, bare(err))
	case response.StatusCode/100 != 2:
		return nil, refusal(request.URL.Host, response.StatusCode, answer)
	}
	return answer, nil
}

// bare takes the URL off an error.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// word is the form of the codes by which services say why not.
var word = pattern(`^[A-Za-z][A-Za-z0-9_.#:-]+$`)

// refusal tells of an answer that is no success: its status, and the code in it if
// there is one. Sentences are not shown, since they may repeat what was asked.
func refusal(host string, status int, answer []byte) error {
	text := fmt.Sprintf("%s answered %d %s", host, status, http.StatusText(status))
	var codes struct {
		Type  string `json:"__type"` // AWS
		Error struct {
			Code   any    `json:"code"`   // Azure
			Status string `json:"status"` // Google Cloud
		} `json:"error"`
	}
	_ = json.Unmarshal(answer, &codes) // it need not be JSON
	code, _ := codes.Error.Code.(string)
	for _, c := range []string{codes.Type, codes.Error.Status, code} {
		if word().MatchString(c) {
			return fmt.Errorf("%s: %s", text, c)
		}
	}
	return errors.New(text)
}
