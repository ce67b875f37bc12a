package upstream

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

// sign adds what version 4 of AWS's signatures asks for to a request whose body
// is payload.
func (c *S3Client) sign(r *http.Request, payload []byte) {
	now := time.Now().UTC()
	date, stamp := now.Format("20060102"), now.Format("20060102T150405Z")
	digest := Digest(payload)
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", digest)
	const names = "host;x-amz-content-sha256;x-amz-date"
	request := strings.Join([]string{
		r.Method, r.URL.EscapedPath(), canonicalQuery(r.URL.Query()),
		"host:" + r.URL.Host, "x-amz-content-sha256:" + digest, "x-amz-date:" + stamp, "",
		names, digest,
	}, "\n")
	scope := date + "/" + c.options.Region + "/s3/aws4_request"
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, Digest([]byte(request))}, "\n")
	key := []byte("AWS4" + c.options.SecretKey)
	for _, part := range []string{date, c.options.Region, "s3", "aws4_request", text} {
		key = mac(key, part)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.options.AccessKey+"/"+scope+
		", SignedHeaders="+names+", Signature="+hex.EncodeToString(key))
}

// canonicalQuery sorts a query and encodes spaces as the signature wants them.
func canonicalQuery(q url.Values) string {
	var parts []string
	for name, values := range q {
		for _, value := range values {
			parts = append(parts, escape(name)+"="+escape(value))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// Digest is the SHA-256 of b in hex.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text)) // never fails
	return h.Sum(nil)
}
