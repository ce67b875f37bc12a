package buckettest

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// authorization has the form that the S3 reference gives for the header.
var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

// verify checks the signature of a request, from what came over the wire. It returns
// the code of an error, and why.
func (s *S3) verify(r *http.Request) (code, why string) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "AccessDenied", "Access Denied."
	}
	part := authorization.FindStringSubmatch(header)
	if part == nil {
		return "AuthorizationHeaderMalformed", "the header is malformed"
	}
	access, day, region, signed, got := part[1], part[2], part[3], part[4], part[5]
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	secret, token := s.keys(access)
	switch {
	case err != nil || !strings.HasPrefix(stamp, day) || time.Since(at).Abs() > 15*time.Minute:
		return "RequestTimeTooSkewed", "the date is " + stamp
	case s.Region != "" && region != s.Region:
		return "AuthorizationHeaderMalformed", "the region '" + region + "' is wrong; expecting '" + s.Region + "'"
	case secret == "":
		return "InvalidAccessKeyId", "The Access Key Id you provided does not exist in our records."
	case r.Header.Get("X-Amz-Security-Token") != token:
		return "InvalidToken", "The provided token is malformed or otherwise invalid."
	case r.Header.Get("X-Amz-Content-Sha256") != fmt.Sprintf("%x", sha256.Sum256(nil)):
		return "XAmzContentSHA256Mismatch", "the hash of the body is wrong"
	}
	if missing := unsigned(r, signed); missing != "" {
		return "AccessDenied", "There were headers present in the request which were not signed: " + missing
	}
	if want := signature(r, secret, day, region, signed, stamp); want != got {
		return "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
	}
	return "", ""
}

// unsigned returns a header that must be signed and is not.
func unsigned(r *http.Request, signed string) string {
	names := strings.Split(signed, ";")
	if !slices.Contains(names, "host") || !slices.IsSorted(names) {
		return "host"
	}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(names, lower) {
			return lower
		}
	}
	return ""
}

// keys returns what goes with an access key, empty if nobody has it.
func (s *S3) keys(access string) (secret, token string) {
	if access == s.Access {
		return s.Secret, s.Token
	}
	if s.Issued != nil {
		return s.Issued(access)
	}
	return "", ""
}

func signature(r *http.Request, secret, day, region, signed, stamp string) string {
	// A proxy is sent the whole URL.
	path, query, _ := strings.Cut(strings.TrimPrefix(r.RequestURI, "http://"+r.Host), "?")
	parameters := strings.Split(query, "&")
	slices.Sort(parameters)
	canonical := r.Method + "\n" + path + "\n" + strings.Join(parameters, "&") + "\n"
	for _, name := range strings.Split(signed, ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		canonical += name + ":" + value + "\n"
	}
	canonical += "\n" + signed + "\n" + r.Header.Get("X-Amz-Content-Sha256")
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%x", stamp, day, region, sha256.Sum256([]byte(canonical)))
	sum := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	key := sum(sum(sum(sum([]byte("AWS4"+secret), day), region), "s3"), "aws4_request")
	return fmt.Sprintf("%x", sum(key, text))
}
