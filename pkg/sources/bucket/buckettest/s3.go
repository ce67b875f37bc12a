package buckettest

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
)

// S3 is a server of one bucket that speaks the protocol of S3, by path.
type S3 struct {
	Objects
	Server *httptest.Server
	// Bucket is the name of the bucket.
	Bucket string
	// Access and Secret are the keys that are let in; without them, everybody is.
	Access, Secret, Token string
	// Issued, if not nil, returns what goes with keys that somebody else gave out, empty
	// if nobody did.
	Issued func(access string) (secret, token string)
	// Region is the one that signatures must name; any if empty.
	Region string
	// Directory maps LDAP users to passwords. Who logs in gets the keys.
	Directory map[string]string
}

// NewS3 starts a server, over TLS if secure, and the caller closes it.
func NewS3(secure bool) *S3 {
	s := &S3{Bucket: "apps"}
	if secure {
		s.Server = httptest.NewTLSServer(s)
	} else {
		s.Server = httptest.NewServer(s)
	}
	return s
}

// Endpoint returns the host and port.
func (s *S3) Endpoint() string {
	_, host, _ := strings.Cut(s.Server.URL, "://")
	return host
}

// ServeHTTP implements [http.Handler].
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.intercepted(w, r) {
		return
	}
	if r.Method == http.MethodPost {
		s.login(w, r)
		return
	}
	if s.Access != "" || s.Issued != nil {
		if code, why := s.verify(r); code != "" {
			s.refuse(why)
			s.fail(w, code, why)
			return
		}
	}
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.Method != http.MethodGet:
		s.fail(w, "MethodNotAllowed", r.Method)
	case name != s.Bucket:
		s.fail(w, "NoSuchBucket", "The specified bucket does not exist")
	case key == "":
		s.list(w, r.URL.Query())
	default:
		s.get(w, key)
	}
}

var statuses = map[string]int{
	"NoSuchBucket": 404, "NoSuchKey": 404, "MethodNotAllowed": 405, "InvalidArgument": 400,
	"AuthorizationHeaderMalformed": 400, "MalformedXML": 400,
}

// fail answers with an error, 403 if nothing else is known of it.
func (s *S3) fail(w http.ResponseWriter, code, message string) {
	status := statuses[code]
	if status == 0 {
		status = http.StatusForbidden
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	region := ""
	if code == "AuthorizationHeaderMalformed" {
		region = "<Region>" + s.Region + "</Region>"
	}
	fmt.Fprintf(w, "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>", code)
	_ = xml.EscapeText(w, []byte(message)) // the client has gone
	fmt.Fprintf(w, "</Message>%s<RequestId>4442587FB7D0A2F9</RequestId></Error>", region)
}

func (s *S3) list(w http.ResponseWriter, q url.Values) {
	after := q.Get("marker")
	if q.Get("list-type") == "2" {
		token, err := base64.StdEncoding.DecodeString(q.Get("continuation-token"))
		if err != nil {
			s.fail(w, "InvalidArgument", "The continuation token provided is incorrect")
			return
		}
		after = string(token)
	}
	keys, objects, more := s.page(q.Get("prefix"), after)
	write := func(name, value string) {
		fmt.Fprintf(w, "<%s>", name)
		_ = xml.EscapeText(w, []byte(value)) // the client has gone
		fmt.Fprintf(w, "</%s>", name)
	}
	encode := func(key string) string { return key }
	if q.Get("encoding-type") == "url" {
		encode = url.QueryEscape
	}
	w.Header().Set("Content-Type", "application/xml")
	io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	write("Name", s.Bucket)
	write("EncodingType", q.Get("encoding-type"))
	write("IsTruncated", fmt.Sprint(more))
	if more && q.Get("list-type") == "2" {
		write("NextContinuationToken", base64.StdEncoding.EncodeToString([]byte(keys[len(keys)-1])))
	}
	for i, key := range keys {
		io.WriteString(w, "<Contents>")
		write("Key", encode(key))
		write("LastModified", "2026-11-25T00:00:00.000Z")
		write("ETag", `"`+objects[i].ETag+`"`)
		write("Size", fmt.Sprint(len(objects[i].Content)))
		write("StorageClass", "STANDARD")
		io.WriteString(w, "</Contents>")
	}
	io.WriteString(w, "</ListBucketResult>")
}

func (s *S3) get(w http.ResponseWriter, key string) {
	object, ok := s.open(key)
	if !ok {
		s.fail(w, "NoSuchKey", "The specified key does not exist.")
		return
	}
	w.Header().Set("ETag", `"`+object.ETag+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(object.Content)))
	io.WriteString(w, object.Content)
}

// login answers AssumeRoleWithLDAPIdentity.
func (s *S3) login(w http.ResponseWriter, r *http.Request) {
	user := r.PostFormValue("LDAPUsername")
	password, ok := s.Directory[user]
	if r.PostFormValue("Action") != "AssumeRoleWithLDAPIdentity" || r.PostFormValue("Version") != "2011-06-15" ||
		!ok || password != r.PostFormValue("LDAPPassword") || r.URL.RawQuery != "" {
		s.refuse("login of " + user)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<ErrorResponse><Error><Code>InvalidParameterValue</Code><Message>LDAP server error: Invalid Credentials for %s:%s</Message></Error></ErrorResponse>",
			user, r.PostFormValue("LDAPPassword"))
		return
	}
	fmt.Fprintf(w, `<AssumeRoleWithLDAPIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithLDAPIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey>
<Expiration>2126-11-25T00:00:00Z</Expiration><SessionToken>%s</SessionToken></Credentials>
</AssumeRoleWithLDAPIdentityResult></AssumeRoleWithLDAPIdentityResponse>`, s.Access, s.Secret, s.Token)
}
