package azure

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// sign adds the signature of a request without a body, by the key of an account:
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
func sign(req *http.Request, account string, key []byte) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(toSign(req, account)))
	req.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

func toSign(req *http.Request, account string) string {
	var b strings.Builder
	b.WriteString(req.Method + "\n")
	for _, name := range []string{
		"Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date",
		"If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range",
	} {
		b.WriteString(req.Header.Get(name) + "\n")
	}
	own := map[string]string{}
	for name := range req.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ms-") {
			own[lower] = strings.TrimSpace(req.Header.Get(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		b.WriteString(name + ":" + own[name] + "\n")
	}
	path := req.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	b.WriteString("/" + account + path)
	parameters := map[string][]string{}
	for name, values := range req.URL.Query() {
		parameters[strings.ToLower(name)] = values
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		b.WriteString("\n" + name + ":" + strings.Join(slices.Sorted(slices.Values(parameters[name])), ","))
	}
	return b.String()
}
