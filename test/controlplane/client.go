package controlplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// client sends the few requests that a start needs. It is not client-go so
// that whoever imports this package does not import that.
type client struct {
	server, token string
	http          http.Client
}

func newClient(server string, ca []byte, token string) *client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &client{server: server, token: token, http: http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}}
}

// do sends body as JSON, if there is one, and decodes the answer into result,
// if it is wanted. Any answer but a success is an error.
func (c *client) do(ctx context.Context, method, path string, body, result any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, &content)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer[:min(len(answer), 300)])
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer, result)
}

func (c *client) close() { c.http.CloseIdleConnections() }
