package decrypt

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

var errNoToken = errors.New("there is no token for it")

// vault asks the transit engine of Vault or OpenBao:
// https://openbao.org/api-docs/secret/transit/#decrypt-data
func (q query) vault(ctx context.Context) ([]byte, error) {
	server, err := url.Parse(strings.TrimSuffix(q.key.url, "/"))
	if err != nil || server.Scheme != "https" && server.Scheme != "http" || server.Host == "" || server.User != nil || server.RawQuery != "" {
		return nil, unusable("address of the server")
	}
	engine := strings.Split(strings.Trim(q.key.engine, "/"), "/")
	if slices.ContainsFunc(append(engine, q.key.id), func(s string) bool { return s == "" || s == "." || s == ".." }) || strings.Contains(q.key.id, "/") {
		return nil, unusable("path of the key")
	}
	token, err := q.vaultToken(ctx, server)
	if err != nil {
		return nil, err
	}
	header := http.Header{"X-Vault-Token": {token}, "X-Vault-Request": {"true"}, "Content-Type": {"application/json"}}
	if namespace := q.Services.config.Env("VAULT_NAMESPACE"); namespace != "" {
		header.Set("X-Vault-Namespace", namespace)
	}
	body, err := json.Marshal(map[string]string{"ciphertext": q.key.enc})
	if err != nil {
		return nil, errCipher
	}
	var answer struct {
		Data struct {
			Plaintext string `json:"plaintext"`
		} `json:"data"`
	}
	address := server.JoinPath(append(append([]string{"v1"}, engine...), "decrypt", q.key.id)...)
	if err := q.Services.post(ctx, address.String(), header, body, nil, &answer); err != nil {
		return nil, err
	}
	return plainKey(base64.StdEncoding, answer.Data.Plaintext)
}

// vaultToken returns the token of the Secret, which is its owner's to send, or else
// one from a login, or else that of the process, which is for its own server alone.
func (q query) vaultToken(ctx context.Context, server *url.URL) (string, error) {
	switch {
	case q.credentials.vault != "":
		return q.credentials.vault, nil
	case q.Vault != nil:
		return q.Vault.token(ctx, q.Services, q.key.url, server)
	}
	env := q.Services.config.Env
	own, err := url.Parse(strings.TrimSuffix(env("VAULT_ADDR"), "/"))
	if err != nil || own.Scheme != server.Scheme || own.Host != server.Host || env("VAULT_TOKEN") == "" {
		return "", errNoToken
	}
	return env("VAULT_TOKEN"), nil
}
