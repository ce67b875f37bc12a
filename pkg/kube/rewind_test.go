package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// restored is an API server at a version, which answers watches with the end of a stream.
type restored struct {
	version string
	code    int // of lists; 0 is 200
	asked   []string
}

// RoundTrip implements [http.RoundTripper].
func (s *restored) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	w := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: http.NoBody, Request: r}
	if isWatch(q) {
		s.asked = append(s.asked, "watch from "+q.Get("resourceVersion"))
		return w, nil
	}
	s.asked = append(s.asked, fmt.Sprintf("list of %s, labels %s, from %q", q.Get("limit"), q.Get("labelSelector"), q.Get("resourceVersion")))
	if s.code != 0 {
		w.StatusCode = s.code
		w.Body = io.NopCloser(strings.NewReader(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"ServiceUnavailable"}`))
		return w, nil
	}
	w.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(`{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadataList","metadata":{"resourceVersion":%q},"items":[]}`, s.version)))
	return w, nil
}

// A watch that ended early goes on where it ended, unless the API server is not there yet.
func TestRewind(t *testing.T) {
	const list = "list of 1, labels app=web, from \"\""
	for name, test := range map[string]struct {
		present string
		code    int
		from    string
		initial bool
		after   time.Duration // since the watch before began
		want    []string
		expired bool
		refused bool
	}{
		"went on":                       {present: "120", from: "100", after: time.Minute, want: []string{list, "watch from 100"}},
		"was restored":                  {present: "90", from: "100", after: time.Minute, want: []string{list}, expired: true},
		"was restored, to be read anew": {present: "90", from: "100", initial: true, after: time.Minute, want: []string{list}, refused: true},
		"ended when it was to":          {present: "90", from: "100", after: 10 * time.Minute, want: []string{"watch from 100"}},
		"read anew":                     {present: "90", from: "", after: time.Minute, want: []string{"watch from "}},
		"read from a cache":             {present: "90", from: "0", after: time.Minute, want: []string{"watch from 0"}},
		"no order":                      {present: "b", from: "a", after: time.Minute, want: []string{list, "watch from a"}},
		"may not list":                  {code: http.StatusForbidden, from: "100", after: time.Minute, want: []string{list, "watch from 100"}},
		"is away":                       {code: http.StatusServiceUnavailable, from: "100", after: time.Minute, want: []string{list}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &restored{version: "100"}
				clients := newServer().clients(t)
				clients.http.Transport = newRewind(s, time.Now)
				watch := func(version string, initial bool) error {
					o := metav1.ListOptions{ResourceVersion: version, LabelSelector: "app=web", TimeoutSeconds: new(int64(600))}
					if initial {
						o.SendInitialEvents, o.ResourceVersionMatch = &initial, metav1.ResourceVersionMatchNotOlderThan
					}
					w, err := clients.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Watch(t.Context(), o)
					if err == nil {
						w.Stop()
					}
					return err
				}
				if err := watch("50", false); err != nil {
					t.Fatal(err)
				}
				time.Sleep(test.after) // of the bubble
				s.asked, s.version, s.code = nil, test.present, test.code
				err := watch(test.from, test.initial)
				if diff := cmp.Diff(test.want, s.asked); diff != "" {
					t.Errorf("requests (-want +got): %s", diff)
				}
				if apierrors.IsResourceExpired(err) != test.expired || (err != nil) != (test.expired || test.refused) {
					t.Errorf("the watch ended with %v", err)
				}
				if test.initial && !apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
					t.Errorf("the error does not say that the version is too large: %v", err)
				}
			})
		})
	}
}

// swallower is an API server that swallows requests, or answers and never says all of it.
type swallower struct{ begins bool }

// RoundTrip implements [http.RoundTripper].
func (s swallower) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.begins {
		body, end := io.Pipe()
		context.AfterFunc(r.Context(), func() { _ = end.CloseWithError(r.Context().Err()) })
		return &http.Response{StatusCode: http.StatusOK, Body: body, Request: r}, nil
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// What is not answered is given up; a watch is not.
func TestDeadline(t *testing.T) {
	for name, begins := range map[string]bool{"swallowed": false, "half an answer": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clients := newServer().clients(t)
				clients.http.Transport = deadline{swallower{begins}}
				began := time.Now()
				_, err := clients.ServerVersion(t.Context())
				if !errors.Is(err, context.DeadlineExceeded) || !Unwell(err) || time.Since(began) != slowestAnswer {
					t.Errorf("ended after %s with %v", time.Since(began), err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://cluster.test/api/v1/pods?watch=true", nil)
				began = time.Now()
				res, err := clients.http.Do(req)
				if err == nil {
					_, err = io.ReadAll(res.Body)
				}
				if err == nil || time.Since(began) != time.Hour {
					t.Errorf("a watch ended after %s with %v", time.Since(began), err)
				}
			})
		})
	}
}
