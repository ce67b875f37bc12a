package git_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git"
)

// What is sent is what the Secret says, and what it does not say is in the URL.
func TestCredentialsOverHTTP(t *testing.T) {
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	for name, tt := range map[string]struct {
		user string // of the URL
		auth git.Auth
		want string
		bad  bool
	}{
		"nothing":                       {"", git.Auth{}, "", false},
		"a user and a password":         {"", git.Auth{Username: "u", Password: "p"}, basic("u:p"), false},
		"those of the URL":              {"u:p@", git.Auth{}, basic("u:p"), false},
		"the user of the URL":           {"u@", git.Auth{Password: "p"}, basic("u:p"), false},
		"those of the Secret, not both": {"other:old@", git.Auth{Username: "u", Password: "p"}, basic("u:p"), false},
		"a user alone":                  {"", git.Auth{Username: "u"}, basic("u:"), false},
		"a password alone":              {"", git.Auth{Password: "p4ssword"}, "", true},
		"a token":                       {"", git.Auth{BearerToken: "t", Username: "u", Password: "p"}, "Bearer t", false},
		"a token and the URL":           {"u:p@", git.Auth{BearerToken: "t"}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = append(got, r.Header.Get("Authorization"))
				http.Error(w, "who are you", http.StatusUnauthorized)
			}))
			t.Cleanup(server.Close)
			_, err := (&git.Remote{URL: strings.Replace(server.URL, "://", "://"+tt.user, 1) + "/x.git", Auth: tt.auth}).Connect(t.Context())
			if tt.bad {
				if !errors.Is(err, git.ErrConfig) || len(got) > 0 || strings.Contains(err.Error(), "p4ssword") {
					t.Errorf("got %v, and sent %q", err, got)
				}
				return
			}
			if !errors.Is(err, git.ErrAuth) || len(got) != 1 || got[0] != tt.want {
				t.Errorf("got %v, and sent %q, want %q", err, got, tt.want)
			}
		})
	}
}
