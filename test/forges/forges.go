// Package forges plays GitHub, GitLab and Gitea on loopback, as far as bootstrap speaks
// to them: it answers in the shapes of their APIs, and refuses what they would refuse,
// such as fields that they do not know. The repositories behind are real ones.
package forges

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
)

// Options say what forge to play.
type Options struct {
	// Kind is github, gitlab or gitea.
	Kind string
	// Token is the one that is accepted. User is whose it is, and Owners are the
	// organisations or groups that it may make repositories in.
	Token, User string
	Owners      []string
	// Git and SSH serve the repositories, which are made below Git.Root.
	Git *gittest.Server
	SSH *gittest.SSHServer
}

// Forge is one that runs.
type Forge struct {
	Options
	// URL is where it is.
	URL string

	server *http.Server
	api    api

	mu       sync.Mutex // guards the fields below
	repos    map[string]*Repo
	requests []string
	refuse   func(method, path string) (code int, message string)
}

// Repo is a repository and who may read it.
type Repo struct {
	*gittest.Repo
	ID      int64
	Private bool
	// Visibility is what was asked for where there is more than private and public.
	Visibility any
	Teams      []string
	Keys       []Key
}

// Key is a deploy key.
type Key struct {
	ID    int64
	Title string
	Line  string
	Write bool
}

// api is what differs between forges.
type api struct {
	root string
	// authorised says whether a request has the token.
	authorised func(http.Header, string) bool
	// route finds out what a request is about.
	route func(method string, path []string) (call, bool)
	// repository and key are what answers look like.
	repository func(*Forge, string, *Repo) any
	key        func(Key) any
	// fields are what a repository and a key are made of.
	making, keying []string
	// taken answers that a repository is there already.
	taken func() (int, any)
	// sorry answers everything else.
	sorry func(message string) any
}

// call is one request.
type call struct {
	what string // find, make, keys, addKey, dropKey, team, group
	repo string // owner/name
	id   string
}

// Start starts a forge. It runs until Close.
func Start(o Options) (*Forge, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("play %s: %w", o.Kind, err)
	}
	f := &Forge{Options: o, URL: "http://" + l.Addr().String(), api: apis[o.Kind], repos: map[string]*Repo{}}
	f.server = &http.Server{Handler: f}
	go func() { _ = f.server.Serve(l) }() // ends with Close
	return f, nil
}

// Close ends it.
func (f *Forge) Close() error { return f.server.Close() }

// Requests returns what was asked for, as "POST /path".
func (f *Forge) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.requests...)
}

// Refuse has requests answered with a code and a message, unless the code is 0.
func (f *Forge) Refuse(refuse func(method, path string) (code int, message string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = refuse
}

// Repo returns a repository, nil if there is none.
func (f *Forge) Repo(name string) *Repo {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.repos[name]
}

// ServeHTTP answers.
func (f *Forge) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, ok := strings.CutPrefix(req.URL.EscapedPath(), f.api.root)
	f.requests = append(f.requests, req.Method+" "+path)
	if f.refuse != nil {
		if code, message := f.refuse(req.Method, path); code != 0 {
			reply(rw, code, f.api.sorry(message))
			return
		}
	}
	if !f.api.authorised(req.Header, f.Token) {
		reply(rw, http.StatusUnauthorized, f.api.sorry("Bad credentials"))
		return
	}
	var parts []string
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		plain, err := url.PathUnescape(part)
		ok = ok && err == nil
		parts = append(parts, plain)
	}
	c, known := f.api.route(req.Method, parts)
	if !ok || !known {
		reply(rw, http.StatusNotFound, f.api.sorry("404 page not found"))
		return
	}
	var body map[string]any
	if req.ContentLength > 0 {
		if err := json.NewDecoder(req.Body).Decode(&body); err != nil || req.Header.Get("Content-Type") != "application/json" {
			reply(rw, http.StatusBadRequest, f.api.sorry("Problems parsing JSON"))
			return
		}
	}
	code, answer := f.answer(req, c, body)
	if pages, ok := answer.(page); ok {
		if pages.next != "" {
			rw.Header().Set("Link", "<"+f.URL+pages.next+">; rel=\"next\", <"+f.URL+pages.next+">; rel=\"last\"")
		}
		answer = pages.items
	}
	reply(rw, code, answer)
}

// page is a part of a list.
type page struct {
	items []any
	next  string
}

func reply(rw http.ResponseWriter, code int, answer any) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(code)
	if code != http.StatusNoContent {
		_ = json.NewEncoder(rw).Encode(answer) // the client may be gone
	}
}

func (f *Forge) answer(req *http.Request, c call, body map[string]any) (int, any) {
	if c.what == "make" {
		return f.make(req.Context(), c.repo, body)
	}
	if c.what == "group" {
		for i, owner := range f.Owners {
			if owner == c.repo {
				return http.StatusOK, map[string]any{"id": i + 1, "full_path": owner}
			}
		}
		return http.StatusNotFound, f.api.sorry("404 Group Not Found")
	}
	r := f.repos[c.repo]
	if r == nil {
		return http.StatusNotFound, f.api.sorry("Not Found")
	}
	switch c.what {
	case "find":
		return http.StatusOK, f.api.repository(f, c.repo, r)
	case "team":
		r.Teams = append(r.Teams, teamOf(c.id, body))
		return http.StatusNoContent, nil
	case "keys":
		return http.StatusOK, f.keys(req, r)
	case "addKey":
		return f.addKey(r, body)
	case "dropKey":
		for i, k := range r.Keys {
			if strconv.FormatInt(k.ID, 10) == c.id {
				r.Keys = append(r.Keys[:i:i], r.Keys[i+1:]...)
				return http.StatusNoContent, nil
			}
		}
	}
	return http.StatusNotFound, f.api.sorry("Not Found")
}

// teamOf returns who got access to what, as name:permission.
func teamOf(name string, body map[string]any) string {
	if group, ok := body["group_id"]; ok {
		return fmt.Sprintf("%v:%v", group, body["group_access"])
	}
	permission, _ := body["permission"].(string)
	return name + ":" + permission
}

// keys returns one key a page: whoever reads only the first misses the others.
func (f *Forge) keys(req *http.Request, r *Repo) page {
	at, _ := strconv.Atoi(req.URL.Query().Get("page"))
	p := page{items: []any{}}
	if at < len(r.Keys) {
		p.items = append(p.items, f.api.key(r.Keys[at]))
	}
	if at+1 < len(r.Keys) {
		p.next = req.URL.EscapedPath() + "?page=" + strconv.Itoa(at+1)
	}
	return p
}

// unknown returns a field that the forge does not know.
func unknown(body map[string]any, fields []string) string {
	for name := range body {
		if !strings.Contains(" "+strings.Join(fields, " ")+" ", " "+name+" ") {
			return name
		}
	}
	return ""
}

func (f *Forge) make(ctx context.Context, owner string, body map[string]any) (int, any) {
	if field := unknown(body, f.api.making); field != "" {
		return http.StatusUnprocessableEntity, f.api.sorry("unknown field " + field)
	}
	name, _ := body["name"].(string)
	if id, ok := body["namespace_id"].(float64); ok && int(id) <= len(f.Owners) {
		owner = f.Owners[int(id)-1]
	}
	if owner == "" {
		owner = f.User
	}
	if owner != f.User && !strings.Contains(" "+strings.Join(f.Owners, " ")+" ", " "+owner+" ") {
		return http.StatusNotFound, f.api.sorry("Not Found")
	}
	full := owner + "/" + name
	if name == "" || f.repos[full] != nil {
		return f.api.taken()
	}
	bare, err := gittest.NewRepo(ctx, f.Git.Root, f.Kind+"/"+full)
	if err != nil {
		return http.StatusInternalServerError, f.api.sorry(err.Error())
	}
	r := &Repo{Repo: bare, ID: int64(len(f.repos) + 1), Private: body["private"] == true || body["visibility"] == "private", Visibility: body["visibility"]}
	f.repos[full] = r
	return http.StatusCreated, f.api.repository(f, full, r)
}

func (f *Forge) addKey(r *Repo, body map[string]any) (int, any) {
	if field := unknown(body, f.api.keying); field != "" {
		return http.StatusUnprocessableEntity, f.api.sorry("unknown field " + field)
	}
	title, _ := body["title"].(string)
	line, _ := body["key"].(string)
	for _, k := range r.Keys {
		if k.Line == line {
			return http.StatusUnprocessableEntity, f.api.sorry("key is already in use")
		}
	}
	if err := f.SSH.Allow(line); err != nil || title == "" {
		return http.StatusUnprocessableEntity, f.api.sorry("key is invalid. You must supply a key in OpenSSH public key format")
	}
	k := Key{ID: int64(len(r.Keys) + 100), Title: title, Line: line, Write: body["read_only"] == false || body["can_push"] == true}
	r.Keys = append(r.Keys, k)
	return http.StatusCreated, f.api.key(k)
}
