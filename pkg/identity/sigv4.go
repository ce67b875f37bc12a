package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Keys are what requests to AWS are signed with.
type Keys struct {
	AccessKeyID, SecretAccessKey string
	// SessionToken is empty for keys that do not expire.
	SessionToken string
	// Expires is zero for keys that do not expire.
	Expires time.Time
}

// The signature of AWS, version 4:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	sigTime      = "20060102T150405Z"
)

// Sign signs a request with a body for a service of a region.
func (k Keys) Sign(req *http.Request, body []byte, service, region string, now time.Time) {
	stamp := now.UTC().Format(sigTime)
	req.Header.Set("X-Amz-Date", stamp)
	if k.SessionToken != "" {
		req.Header.Set("X-Amz-Security-Token", k.SessionToken)
	}
	values := map[string]string{"host": req.URL.Host}
	for name, value := range req.Header {
		values[strings.ToLower(name)] = strings.Join(value, ",")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	canonical := req.Method + "\n" + req.URL.EscapedPath() + "\n" + req.URL.RawQuery + "\n"
	for _, name := range names {
		canonical += name + ":" + strings.TrimSpace(values[name]) + "\n"
	}
	signed := strings.Join(names, ";")
	canonical += "\n" + signed + "\n" + hexSum(body)
	scope := sigScope(stamp, region, service)
	req.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		sigAlgorithm, k.AccessKeyID, scope, signed, k.signature(stamp, scope, canonical)))
}

// sigScope returns what a signature is good for. stamp begins with the day.
func sigScope(stamp, region, service string) string {
	return stamp[:8] + "/" + region + "/" + service + "/aws4_request"
}

// signature signs a canonical request.
func (k Keys) signature(stamp, scope, canonical string) string {
	key := []byte("AWS4" + k.SecretAccessKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, strings.Join([]string{sigAlgorithm, stamp, scope, hexSum([]byte(canonical))}, "\n")))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
