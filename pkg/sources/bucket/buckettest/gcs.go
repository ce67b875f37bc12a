package buckettest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
)

// GCS is a server of one bucket that speaks the JSON API of Google Cloud Storage.
type GCS struct {
	Objects
	Server *httptest.Server
	Bucket string
	// Token is the bearer token that is let in; without it, everybody is. Allow, if
	// not nil, decides instead.
	Token string
	Allow func(token string) bool
}

// NewGCS starts a server, which the caller closes.
func NewGCS() *GCS {
	g := &GCS{Bucket: "apps"}
	g.Server = httptest.NewServer(g)
	return g
}

// ServeHTTP implements [http.Handler].
func (g *GCS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.intercepted(w, r) {
		return
	}
	q := r.URL.Query()
	// The name is one segment, its slashes escaped.
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/storage/v1/b/"), "/")
	key, err := "", error(nil)
	if len(segments) == 3 {
		key, err = url.PathUnescape(segments[2])
	}
	switch {
	case r.Method != http.MethodGet || err != nil || len(segments) < 2 || len(segments) > 3 || segments[1] != "o":
		g.fail(w, http.StatusBadRequest, "invalid", "no such method")
	case g.Token != "" && r.Header.Get("Authorization") == "":
		g.fail(w, http.StatusUnauthorized, "required", "Anonymous caller does not have storage.objects.list access")
	case !g.allowed(r):
		g.fail(w, http.StatusUnauthorized, "authError", "Invalid Credentials "+r.Header.Get("Authorization"))
	case segments[0] != g.Bucket:
		g.fail(w, http.StatusNotFound, "notFound", "The specified bucket does not exist.")
	case key == "":
		g.list(w, q)
	case q.Get("alt") == "media":
		g.get(w, key, q.Get("ifGenerationMatch"))
	default:
		g.stat(w, key)
	}
}

func (g *GCS) allowed(r *http.Request) bool {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if g.Allow != nil {
		return bearer && g.Allow(token)
	}
	return g.Token == "" || bearer && token == g.Token
}

func (g *GCS) fail(w http.ResponseWriter, status int, reason, message string) {
	g.refuse(message)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{ // the client has gone
		"code": status, "message": message, "errors": []any{map[string]any{"domain": "global", "reason": reason, "message": message}},
	}})
}

// describe returns an object as the API does. Tags are not digests of the content.
func describe(key string, o Object) map[string]any {
	return map[string]any{
		"name": key, "etag": fmt.Sprintf("CJ%d/%.6s=", o.Generation, o.ETag), "generation": fmt.Sprint(o.Generation),
		"size": fmt.Sprint(len(o.Content)),
	}
}

func (g *GCS) list(w http.ResponseWriter, q url.Values) {
	keys, objects, more := g.page(q.Get("prefix"), q.Get("pageToken"))
	var items []any
	for i, key := range keys {
		items = append(items, describe(key, objects[i]))
	}
	answer := map[string]any{"kind": "storage#objects"}
	if len(items) > 0 {
		answer["items"] = items
	}
	if more {
		answer["nextPageToken"] = keys[len(keys)-1]
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client has gone
}

func (g *GCS) get(w http.ResponseWriter, key, generation string) {
	object, ok := g.open(key)
	switch {
	case !ok:
		g.fail(w, http.StatusNotFound, "notFound", "No such object: "+g.Bucket+"/"+key)
	case generation != "" && generation != fmt.Sprint(object.Generation):
		g.fail(w, http.StatusPreconditionFailed, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
	default:
		io.WriteString(w, object.Content)
	}
}

func (g *GCS) stat(w http.ResponseWriter, key string) {
	g.mu.Lock()
	object, ok := g.objects[key]
	g.mu.Unlock()
	if !ok {
		g.fail(w, http.StatusNotFound, "notFound", "No such object: "+g.Bucket+"/"+key)
		return
	}
	_ = json.NewEncoder(w).Encode(describe(key, object)) // the client has gone
}
