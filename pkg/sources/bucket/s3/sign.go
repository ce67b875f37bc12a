package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Keys are credentials. The zero value is nobody.
type Keys struct {
	Access, Secret string
	// Token comes with keys that expire.
	Token   string
	Expires time.Time // zero if they do not
}

const (
	algorithm = "AWS4-HMAC-SHA256"
	longTime  = "20060102T150405Z"
	// emptyHash is the SHA-256 of nothing: no request has a body.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// sign adds the signature of a request without a body. The path must be escaped as
// [bucket.Escape] does.
func sign(req *http.Request, k Keys, region string, now time.Time) {
	if k.Access == "" {
		return
	}
	now = now.UTC()
	req.Header.Set("X-Amz-Date", now.Format(longTime))
	req.Header.Set("X-Amz-Content-Sha256", emptyHash)
	if k.Token != "" {
		req.Header.Set("X-Amz-Security-Token", k.Token)
	}
	names, headers := canonicalHeaders(req)
	canonical := strings.Join([]string{
		req.Method, req.URL.EscapedPath(), req.URL.RawQuery, headers, names, emptyHash,
	}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	scope := now.Format("20060102") + "/" + region + "/s3/aws4_request"
	text := strings.Join([]string{algorithm, now.Format(longTime), scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + k.Secret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	req.Header.Set("Authorization", algorithm+" Credential="+k.Access+"/"+scope+
		", SignedHeaders="+names+", Signature="+hex.EncodeToString(mac(key, text)))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonicalHeaders returns the names and the lines of what is signed: the host, and
// all headers of Amazon's own.
func canonicalHeaders(req *http.Request) (names, lines string) {
	values := map[string]string{"host": req.URL.Host}
	for name, value := range req.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") {
			values[name] = strings.TrimSpace(strings.Join(value, ","))
		}
	}
	sorted := make([]string, 0, len(values))
	for name := range values {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	var b strings.Builder
	for _, name := range sorted {
		b.WriteString(name + ":" + values[name] + "\n")
	}
	return strings.Join(sorted, ";"), b.String()
}

// query encodes parameters as the signature wants them: sorted, and a space as %20.
func query(values url.Values) string { return strings.ReplaceAll(values.Encode(), "+", "%20") }
