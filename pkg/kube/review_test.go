package kube

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answering returns a reviewer whose server gives one answer to everything.
func answering(t *testing.T, status int, answer string) (*Reviewer, *server) {
	t.Helper()
	s := newServer()
	s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
		return true
	}
	r, err := NewReviewer(s.clients(t))
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

func TestTokenReview(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		who    Subject
		valid  bool
		failed bool
	}{
		"valid": {201, `{"status":{"authenticated":true,"user":{"username":"ann","uid":"1","groups":["g"],"extra":{"k":["v"]}}}}`,
			Subject{User: "ann", UID: "1", Groups: []string{"g"}, Extra: map[string][]string{"k": {"v"}}}, true, false},
		"not valid":    {201, `{"status":{"authenticated":false,"user":{},"error":"expired"}}`, Subject{}, false, false},
		"nobody":       {201, `{"status":{"authenticated":true,"user":{}}}`, Subject{}, false, false},
		"forbidden":    {403, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}`, Subject{}, false, true},
		"no such JSON": {201, `swordfish`, Subject{}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := answering(t, c.status, c.answer)
			who, valid, err := r.Token(t.Context(), "hunter2")
			if diff := cmp.Diff(c.who, who); diff != "" || valid != c.valid || (err != nil) != c.failed {
				t.Errorf("valid %t, error %v, %s", valid, err, diff)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "swordfish")) {
				t.Errorf("error %v", err)
			}
			sent := s.sent()
			const want = `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"hunter2"}}`
			if len(sent) != 1 || sent[0].verb != http.MethodPost || sent[0].path != "/apis/authentication.k8s.io/v1/tokenreviews" || sent[0].body != want {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

func TestAccessReview(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"status":{"allowed":true}}`:               true,
		`{"status":{"allowed":false}}`:              false,
		`{"status":{"allowed":true,"denied":true}}`: false,
		`{"status":{}}`:                             false,
	} {
		r, s := answering(t, 201, answer)
		allowed, err := r.Allowed(t.Context(), Subject{User: "ann", Groups: []string{"g"}}, Action{Verb: "get", Resource: "secrets", Namespace: "apps", Name: "a"})
		if allowed != want || err != nil {
			t.Errorf("%s: %t, error %v", answer, allowed, err)
		}
		sent := s.sent()
		const body = `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":` +
			`{"user":"ann","groups":["g"],"resourceAttributes":{"verb":"get","resource":"secrets","namespace":"apps","name":"a"}}}`
		if len(sent) != 1 || sent[0].path != "/apis/authorization.k8s.io/v1/subjectaccessreviews" || sent[0].body != body {
			t.Errorf("sent %+v", sent)
		}
	}
	r, _ := answering(t, 500, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":500,"message":"broken"}`)
	if allowed, err := r.Allowed(t.Context(), Subject{User: "ann"}, Action{Verb: "get"}); allowed || err == nil {
		t.Errorf("%t, error %v", allowed, err)
	}
}
