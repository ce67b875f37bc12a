package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// rewind keeps watches from going on in a history that is not theirs. An API server whose
// storage was restored to an earlier state lets one watch from a version that it has yet
// to reach, tells nothing until it does, and then only of what comes after: whoever
// resumes so never hears of what the restore has changed.
//
// So the first thing that a watch does which ended before its time is to ask for the
// present version, by a list of one object. If that is older than the version to watch
// from, the answer is that the version has expired, upon which clients list anew. What is
// restored and has by then had more writes than were undone cannot be told from what
// goes on; the remedy for that is to raise the versions at the restore
// (etcdutl snapshot restore --bump-revision).
type rewind struct {
	next http.RoundTripper
	now  func() time.Time

	mu  sync.Mutex           // guards due
	due map[string]time.Time // when the last watch of each kind ends by itself
}

// Limits of the question for the present version.
const (
	slowestVersion = 30 * time.Second
	longestVersion = 1 << 20 // bytes
	// punctual is how much earlier than it was to a watch may end.
	punctual = 2 * time.Second
)

func newRewind(next http.RoundTripper, now func() time.Time) *rewind {
	return &rewind{next: next, now: now, due: map[string]time.Time{}}
}

// WrappedRoundTripper returns the transport below.
func (r *rewind) WrappedRoundTripper() http.RoundTripper { return r.next }

// RoundTrip implements [http.RoundTripper].
func (r *rewind) RoundTrip(req *http.Request) (*http.Response, error) {
	query := req.URL.Query()
	if !isWatch(query) {
		return r.next.RoundTrip(req)
	}
	if r.begin(req, query) {
		if res, err := r.check(req, query); res != nil || err != nil {
			return res, err
		}
	}
	return r.next.RoundTrip(req)
}

func isWatch(query url.Values) bool {
	on, err := strconv.ParseBool(query.Get("watch"))
	return err == nil && on
}

// begin notes that a watch begins, and says whether the one before has ended early.
func (r *rewind) begin(req *http.Request, query url.Values) (doubtful bool) {
	key := req.URL.Path + "\n" + query.Get("labelSelector") + "\n" + query.Get("fieldSelector") + "\n" + req.Header.Get("Impersonate-User")
	now := r.now()
	due := now.Add(24 * time.Hour) // it is up to the server
	if seconds, err := strconv.Atoi(query.Get("timeoutSeconds")); err == nil {
		due = now.Add(time.Duration(seconds) * time.Second)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before, had := r.due[key]
	r.due[key] = due
	from := query.Get("resourceVersion")
	return had && now.Before(before.Add(-punctual)) && from != "" && from != "0"
}

// check returns an answer in place of that to a watch, or nothing if the watch may begin.
func (r *rewind) check(req *http.Request, query url.Values) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), slowestVersion)
	defer cancel()
	ask := req.Clone(ctx)
	for _, name := range []string{"watch", "resourceVersionMatch", "sendInitialEvents", "allowWatchBookmarks", "timeoutSeconds", "resourceVersion"} {
		query.Del(name)
	}
	query.Set("limit", "1")
	ask.URL.RawQuery = query.Encode()
	ask.Header.Set("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json")
	res, err := r.next.RoundTrip(ask)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(res.Body, longestVersion))
	if err != nil {
		return nil, err
	}
	switch {
	case res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusMethodNotAllowed:
		return nil, nil // one may watch and not list
	case res.StatusCode != http.StatusOK:
		res.Body, res.Request = io.NopCloser(bytes.NewReader(body)), req
		return res, nil
	}
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	if json.Unmarshal(body, &list) != nil {
		return nil, nil
	}
	from := req.URL.Query().Get("resourceVersion")
	order, err := resourceversion.CompareResourceVersion(list.Metadata.ResourceVersion, from)
	if err != nil || order >= 0 {
		return nil, nil // versions that are no numbers have no order
	}
	return ahead(req, from, list.Metadata.ResourceVersion), nil
}

// ahead is the answer to a watch from a version that the API server has yet to reach.
func ahead(req *http.Request, from, present string) *http.Response {
	s := metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired,
		Message: fmt.Sprintf("version %s is of another history: the API server, which was restored to an earlier state, is at %s", from, present),
	}
	if req.URL.Query().Get("sendInitialEvents") != "" { // in the words that have clients ask for any version
		s.Code, s.Reason = http.StatusGatewayTimeout, metav1.StatusReasonTimeout
		s.Details = &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version"}}}
	}
	body, _ := json.Marshal(s) // made of strings
	return &http.Response{
		Status: http.StatusText(int(s.Code)), StatusCode: int(s.Code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: req,
	}
}
