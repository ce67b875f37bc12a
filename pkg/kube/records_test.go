package kube

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func newSecrets(t *testing.T, s *server) *Records {
	t.Helper()
	secrets, err := NewRecords(s.clients(t))
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}

func TestSecrets(t *testing.T) {
	s := newServer()
	s.put("/api/v1/namespaces/edge/secrets/a", `{"metadata":{"name":"a","uid":"1"},"data":{"release":"aHVudGVyMg=="}}`)
	secrets := newSecrets(t, s)
	meta, data, err := secrets.Get(t.Context(), "edge", "a")
	if err != nil || meta.Name != "a" || string(data["release"]) != "hunter2" {
		t.Errorf("Get: %v %q (%v)", meta, data, err)
	}
	if _, _, err := secrets.Get(t.Context(), "edge", "b"); !apierrors.IsNotFound(err) {
		t.Errorf("a missing Secret: %v", err)
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"PartialObjectMetadata","metadata":{"name":"a","resourceVersion":"7"},
			"items":[{"metadata":{"name":"a","annotations":{"x":"y"}}}]}`))
		return true
	}
	s.sent()
	list, err := secrets.List(t.Context(), "edge", "owner=helm,name=a")
	if err != nil || len(list) != 1 || list[0].Annotations["x"] != "y" {
		t.Errorf("List: %v (%v)", list, err)
	}
	for name, write := range map[string]func() (*metav1.PartialObjectMetadata, error){
		"create": func() (*metav1.PartialObjectMetadata, error) {
			return secrets.Create(t.Context(), "edge", []byte(`{}`))
		},
		"update": func() (*metav1.PartialObjectMetadata, error) {
			return secrets.Update(t.Context(), "edge", "a", []byte(`{}`))
		},
		"patch": func() (*metav1.PartialObjectMetadata, error) {
			return secrets.Patch(t.Context(), "edge", "a", []byte(`{}`))
		},
	} {
		if meta, err := write(); err != nil || meta.ResourceVersion != "7" {
			t.Errorf("%s: %v (%v)", name, meta, err)
		}
	}
	if err := secrets.Delete(t.Context(), "edge", "a", metav1.Preconditions{UID: new(types.UID("1"))}); err != nil {
		t.Error(err)
	}
	types := map[string]string{}
	for _, r := range s.sent() {
		types[r.verb] = r.contentType
		if r.verb != http.MethodDelete && !strings.Contains(r.header.Get("Accept"), "PartialObjectMetadata") {
			t.Errorf("%s asks for data that nobody reads", r.verb)
		}
		if r.verb == http.MethodDelete && !strings.Contains(r.body, `"uid":"1"`) {
			t.Errorf("a delete of whatever has the name: %s", r.body)
		}
	}
	want := map[string]string{
		"GET": "", "POST": "application/json", "PUT": "application/json", "DELETE": "application/json",
		"PATCH": "application/merge-patch+json",
	}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("content types: %s", diff)
	}
}

// Neither data that does not decode nor the API server's words about it are repeated.
func TestSecretsQuoteNothing(t *testing.T) {
	for name, c := range map[string]struct {
		code int
		body string
		want string
	}{
		"no base64": {200, `{"data":{"release":"hunter2!"}}`, "malformed"},
		"invalid": {422, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Invalid","code":422,"message":"hunter2 is too long",
			"details":{"causes":[{"field":"data[release]","message":"Too long: hunter2","reason":"FieldValueTooLong"}]}}`, "data[release]: Too long"},
		"denied": {403, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Forbidden","code":403,
			"message":"admission webhook \"x\" denied the request: hunter2"}`, "denied the request"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.code)
				_, _ = w.Write([]byte(c.body))
				return true
			}
			_, _, err := newSecrets(t, s).Get(t.Context(), "edge", "a")
			if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error says %v", err)
			}
		})
	}
}
