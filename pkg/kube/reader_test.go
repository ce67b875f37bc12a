package kube

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func TestReader(t *testing.T) {
	s := newServer()
	s.put("/api/v1/namespaces/edge/secrets/token", `{"type":"Opaque","data":{"token":"aHVudGVyMg=="}}`)
	s.put("/api/v1/namespaces/edge/configmaps/vars", `{"data":{"region":"north"}}`)
	r, err := NewReader(s.clients(t))
	if err != nil {
		t.Fatal(err)
	}
	data, kind, err := r.Secret(t.Context(), "edge", "token")
	if err != nil || kind != "Opaque" || string(data["token"]) != "hunter2" {
		t.Errorf("Secret: %q of type %q (%v)", data, kind, err)
	}
	text, err := r.ConfigMap(t.Context(), "edge", "vars")
	if diff := cmp.Diff(map[string]string{"region": "north"}, text); diff != "" || err != nil {
		t.Errorf("ConfigMap: %v (%s)", err, diff)
	}
	if _, _, err := r.Secret(t.Context(), "edge", "other"); !apierrors.IsNotFound(err) {
		t.Errorf("a missing Secret: %v", err)
	}
	if _, err := r.ConfigMap(t.Context(), "edge", "other"); !apierrors.IsNotFound(err) {
		t.Errorf("a missing ConfigMap: %v", err)
	}
	for _, request := range s.sent() {
		if request.verb != http.MethodGet {
			t.Errorf("sent %s", request.verb)
		}
	}
}

// An answer that does not decode may be a Secret, and is quoted nowhere.
func TestReaderQuotesNothing(t *testing.T) {
	for name, body := range map[string]string{
		"another type": `{"data":{"token":["hunter2"]}}`,
		"no base64":    `{"data":{"token":"hunter2!"}}`,
		"no JSON":      `hunter2`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(body))
				return true
			}
			r, err := NewReader(s.clients(t))
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = r.Secret(t.Context(), "edge", "token")
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestReaderOfServiceAccounts(t *testing.T) {
	s := newServer()
	s.put("/api/v1/namespaces/edge/serviceaccounts/puller", `{"metadata":{"name":"puller","annotations":{"eks.amazonaws.com/role-arn":"arn"}}}`)
	r, err := NewReader(s.clients(t))
	if err != nil {
		t.Fatal(err)
	}
	annotations, found, err := r.ServiceAccount(t.Context(), "edge", "puller")
	if diff := cmp.Diff(map[string]string{"eks.amazonaws.com/role-arn": "arn"}, annotations); diff != "" || !found || err != nil {
		t.Errorf("found %t, %v (%s)", found, err, diff)
	}
	if _, found, err := r.ServiceAccount(t.Context(), "edge", "other"); found || err != nil {
		t.Errorf("a missing one: found %t, %v", found, err)
	}
	s.sent()

	answer, status := `{"status":{"token":"hunter2"}}`, http.StatusCreated
	s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
		return true
	}
	if token, err := r.ServiceAccountToken(t.Context(), "edge", "puller", []string{"sts.amazonaws.com"}); token != "hunter2" || err != nil {
		t.Errorf("a token: %q, %v", token, err)
	}
	sent := s.sent()
	const want = `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":["sts.amazonaws.com"]}}`
	if len(sent) != 1 || sent[0].verb != http.MethodPost || sent[0].path != "/api/v1/namespaces/edge/serviceaccounts/puller/token" || sent[0].body != want {
		t.Errorf("sent %+v", sent)
	}
	for _, answer = range []string{`{"status":{"tok":"hunter2"}}`, `hunter2`} {
		if token, err := r.ServiceAccountToken(t.Context(), "edge", "puller", nil); token != "" || err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the answer %s: %q, %v", answer, token, err)
		}
	}
	status = http.StatusForbidden
	if _, err := r.ServiceAccountToken(t.Context(), "edge", "puller", nil); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("refused: %v", err)
	}
}
