package identity_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/identity"
)

// Servers that are not what they should be. The token that they were sent is in no
// error.
func TestAnswersThatAreNone(t *testing.T) {
	tests := map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"another place": {
			func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://evil.example.com/", http.StatusTemporaryRedirect)
			}, "answered 307 Temporary Redirect",
		},
		"no end": {
			func(w http.ResponseWriter, _ *http.Request) {
				for {
					if _, err := w.Write(make([]byte, 64<<10)); err != nil {
						return
					}
				}
			}, "answered with more than 1048576 bytes",
		},
		"half": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				_, _ = w.Write([]byte(`{"access_token"`))
			}, "unexpected EOF",
		},
		"no JSON":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello") }, "not the JSON that was expected"},
		"no token":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }, "the answer has no token"},
		"a hang-up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "reach login.microsoftonline.com: EOF"},
		"what it was sent": {
			func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"error":"bad","error_description":"%s\u0000\u001b[31m %s"}`, r.Header, strings.Repeat("x", 10000))
			}, "bad: map[",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.fake.Handle("login.microsoftonline.com", test.answer)
			_, err := w.AzureToken(t.Context(), w.account(identity.Azure, azureApp), identity.ScopeStorage)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if strings.Contains(err.Error(), "token-") || len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\x00\x1b\n") {
				t.Errorf("the error is %q", err)
			}
			if calls := w.fake.Calls(); len(calls) != 1 {
				t.Errorf("%d calls", len(calls))
			}
		})
	}
}

func TestServiceAccounts(t *testing.T) {
	azure := identity.Request{Provider: identity.Azure, Namespace: "apps"}
	named := azure
	named.ServiceAccount = "sa"
	fallback := azure
	fallback.DefaultAccount = "default"
	tests := map[string]struct {
		change  func(*identity.Options)
		request identity.Request
		want    error
	}{
		"the gate is off":     {func(o *identity.Options) { o.ObjectLevel = false }, named, identity.ErrObjectLevelDisabled},
		"there is none":       {func(*identity.Options) {}, named, identity.ErrNoAccount},
		"there is no default": {func(*identity.Options) {}, fallback, identity.ErrNoDefaultAccount},
		"no provider":         {func(*identity.Options) {}, identity.Request{Provider: "generic"}, identity.ErrConfig},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.change)
			if _, err := w.Registry(t.Context(), test.request, "fleet.azurecr.io"); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if hosts := w.fake.Hosts(); len(hosts) > 0 {
				t.Errorf("called %v", hosts)
			}
		})
	}
}

func TestTheDefaultAccountIsUsed(t *testing.T) {
	w := newWorld(t)
	w.fake.Annotations["apps/locked-down"] = azureApp
	token, err := w.AzureToken(t.Context(), identity.Request{Namespace: "apps", DefaultAccount: "locked-down"}, identity.ScopeStorage)
	if err != nil || w.fake.Owner(token.Value) != "application tenant/client for "+identity.ScopeStorage {
		t.Errorf("%v, token of %q", err, w.fake.Owner(token.Value))
	}
}

func TestTokenFilesAreBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *identity.Options) { o.ReadFile = nil })
	w.env = map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": name, "AWS_ROLE_ARN": role}
	if _, err := w.AWSKeys(t.Context(), identity.Request{}, "eu-west-1"); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a large file: got %v", err)
	}
	w.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = name + "-none"
	if _, err := w.AWSKeys(t.Context(), identity.Request{}, "eu-west-1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}
