package buckettest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Azure is a server of one container that speaks the protocol of Azure Blob Storage.
// Its account is the first segment of the path, as with an emulator.
type Azure struct {
	Objects
	Server             *httptest.Server
	Account, Container string
	// Key is that of the account, in base64; Token a bearer token; SAS the value of
	// the parameter sig. Who has one of them is let in; without any, everybody is.
	Key, Token, SAS string
	// Allow, if not nil, decides about bearer tokens.
	Allow func(token string) bool
	// Directories are listed as what they are, as by accounts that have real ones.
	Directories []string
}

// NewAzure starts a server, over TLS if secure, which the caller closes.
func NewAzure(secure bool) *Azure {
	a := &Azure{Account: "fluxd", Container: "apps"}
	if secure {
		a.Server = httptest.NewTLSServer(a)
	} else {
		a.Server = httptest.NewServer(a)
	}
	return a
}

// Endpoint returns the URL of the account.
func (a *Azure) Endpoint() string { return a.Server.URL + "/" + a.Account }

// ServeHTTP implements [http.Handler].
func (a *Azure) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.intercepted(w, r) {
		return
	}
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	at, err := time.Parse(http.TimeFormat, r.Header.Get("x-ms-date"))
	switch {
	case r.Method != http.MethodGet || r.Header.Get("x-ms-version") == "" || err != nil || len(parts) < 2 || parts[0] != a.Account:
		a.fail(w, http.StatusBadRequest, "InvalidHeaderValue", "the request is malformed")
	case time.Since(at).Abs() > 15*time.Minute:
		a.fail(w, http.StatusForbidden, "AuthenticationFailed", "Server failed to authenticate the request.")
	case !a.allowed(r):
		a.fail(w, http.StatusForbidden, "AuthenticationFailed",
			"Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.\nRequestId:1\nTime:"+time.Now().String())
	case parts[1] != a.Container:
		a.fail(w, http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
	case len(parts) == 2:
		a.list(w, r.URL.Query())
	default:
		a.get(w, parts[2])
	}
}

// allowed checks the one thing that a request proves itself by.
func (a *Azure) allowed(r *http.Request) bool {
	header, sig := r.Header.Get("Authorization"), r.URL.Query().Get("sig")
	if header != "" && sig != "" {
		return false
	}
	switch {
	case a.Key == "" && a.Token == "" && a.SAS == "" && a.Allow == nil:
		return header == "" && sig == ""
	case sig != "":
		return sig == a.SAS
	}
	if token, bearer := strings.CutPrefix(header, "Bearer "); bearer {
		return a.Token != "" && token == a.Token || a.Allow != nil && a.Allow(token)
	}
	return a.Key != "" && header == "SharedKey "+a.Account+":"+a.signature(r)
}

// signature computes what must be signed, from what came over the wire.
func (a *Azure) signature(r *http.Request) string {
	text := "GET" + strings.Repeat("\n", 12)
	text += "x-ms-date:" + r.Header.Get("x-ms-date") + "\nx-ms-version:" + r.Header.Get("x-ms-version") + "\n"
	path, query, _ := strings.Cut(r.RequestURI, "?")
	text += "/" + a.Account + path
	parameters := strings.FieldsFunc(query, func(c rune) bool { return c == '&' })
	slices.Sort(parameters)
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		value, err := url.QueryUnescape(value)
		if err != nil {
			return ""
		}
		text += "\n" + strings.ToLower(name) + ":" + value
	}
	key, err := base64.StdEncoding.DecodeString(a.Key)
	if err != nil {
		return ""
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func (a *Azure) fail(w http.ResponseWriter, status int, code, message string) {
	a.refuse(code)
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}

// etag is not a digest of the content.
func (o Object) azureTag() string {
	return fmt.Sprintf("0x%d%.12s", o.Generation, strings.ToUpper(o.ETag))
}

func (a *Azure) list(w http.ResponseWriter, q url.Values) {
	if q.Get("restype") != "container" || q.Get("comp") != "list" {
		a.fail(w, http.StatusBadRequest, "InvalidQueryParameterValue", "restype or comp")
		return
	}
	keys, objects, more := a.page(q.Get("prefix"), q.Get("marker"))
	io.WriteString(w, "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>")
	for _, name := range a.Directories {
		fmt.Fprintf(w, "<Blob><Name>%s</Name><Properties><Etag>0x1</Etag><ResourceType>directory</ResourceType><Content-Length>0</Content-Length></Properties></Blob>", name)
	}
	for i, key := range keys {
		encoded := ""
		if strings.ContainsAny(key, "\ufffe\uffff\x01") {
			key, encoded = url.PathEscape(key), ` Encoded="true"`
		}
		fmt.Fprintf(w, "<Blob><Name%s>", encoded)
		_ = xml.EscapeText(w, []byte(key)) // the client has gone
		fmt.Fprintf(w, "</Name><Properties><Etag>%s</Etag><Content-Length>%d</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>",
			objects[i].azureTag(), len(objects[i].Content))
	}
	io.WriteString(w, "</Blobs><NextMarker>")
	if more {
		_ = xml.EscapeText(w, []byte(keys[len(keys)-1])) // the client has gone
	}
	io.WriteString(w, "</NextMarker></EnumerationResults>")
}

func (a *Azure) get(w http.ResponseWriter, key string) {
	object, ok := a.open(key)
	if !ok {
		a.fail(w, http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
		return
	}
	w.Header().Set("ETag", `"`+object.azureTag()+`"`)
	io.WriteString(w, object.Content)
}
