package identity

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
)

// field returns the first of some members of a JSON object that is a text.
func field(body []byte, names ...string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return ""
	}
	for _, name := range names {
		var text string
		if json.Unmarshal(object[name], &text) == nil && text != "" {
			return text
		}
	}
	return ""
}

// member returns a member of a JSON object, nil if there is none.
func member(body []byte, name string) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return nil
	}
	return object[name]
}

// bearer is how most servers tell a token (RFC 6749, section 5.1). Some write
// numbers as texts.
type bearer struct {
	AccessToken string      `json:"access_token"`
	ExpiresIn   json.Number `json:"expires_in"`
	ExpiresOn   json.Number `json:"expires_on"` // seconds of the epoch
}

var errNoToken = errors.New("the answer has no token")

func (b bearer) token(now time.Time) (Token, error) {
	if b.AccessToken == "" {
		return Token{}, errNoToken
	}
	t := Token{Value: b.AccessToken}
	if in, err := b.ExpiresIn.Int64(); err == nil && in > 0 {
		t.Expires = now.Add(time.Duration(in) * time.Second)
	} else if on, err := b.ExpiresOn.Int64(); err == nil && on > 0 {
		t.Expires = time.Unix(on, 0)
	}
	return t, nil
}

// oauthProblem returns what an error answer says (RFC 6749, section 5.2). Some
// servers add when and where, which would make every error a new one.
func oauthProblem(body []byte) string {
	text := field(body, "error")
	description := field(body, "error_description")
	for _, stamp := range []string{" Trace ID:", " Timestamp:", " Correlation ID:", "\r", "\n"} {
		description, _, _ = strings.Cut(description, stamp)
	}
	return strings.TrimSuffix(text+": "+description, ": ")
}

// expiry returns when a JSON Web Token ends (RFC 7519). It does not verify it.
func expiry(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	var known struct {
		Exp json.Number `json:"exp"`
	}
	if json.Unmarshal(claims, &known) != nil {
		return time.Time{}, false
	}
	seconds, err := known.Exp.Float64()
	return time.Unix(int64(seconds), 0), err == nil && seconds > 0
}

// redacted returns a URL without a password and a query.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "<unparsable>"
	}
	u.RawQuery, u.Fragment = "", ""
	return plain(u.Redacted())
}
