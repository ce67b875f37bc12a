package git_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/git"
)

// appServer answers as the API of GitHub does for one installation.
func appServer(t *testing.T) (address string) {
	t.Helper()
	exchanges := 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /app/installations/42/access_tokens", func(w http.ResponseWriter, r *http.Request) {
		assertion, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || strings.Count(assertion, ".") != 2 {
			http.Error(w, "no assertion", http.StatusUnauthorized)
			return
		}
		exchanges++
		fmt.Fprintf(w, `{"token":"token-%d","expires_at":%q}`, exchanges, time.Now().Add(time.Hour).Format(time.RFC3339))
	})
	mux.HandleFunc("GET /users/someone/installation", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id":42}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func appKey(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func TestApp(t *testing.T) {
	address := appServer(t)
	key := appKey(t)
	app := func(pairs ...string) map[string][]byte {
		data := map[string][]byte{"githubAppID": []byte("7"), "githubAppPrivateKey": key, "githubAppBaseURL": []byte(address)}
		for i := 0; i < len(pairs); i += 2 {
			data[pairs[i]] = []byte(pairs[i+1])
		}
		return data
	}
	remote := &git.Remote{URL: "https://example.com/x.git"}
	token := func(data map[string][]byte) (git.Auth, time.Time, error) {
		parsed, err := git.ParseApp(data)
		if err != nil {
			return git.Auth{}, time.Time{}, err
		}
		token, ends, err := parsed.Token(t.Context(), remote)
		return parsed.Login(token), ends, err
	}
	got, ends, err := token(app("githubAppInstallationID", "42"))
	if err != nil || got.Username != "x-access-token" || got.Password != "token-1" || time.Until(ends) < 50*time.Minute {
		t.Errorf("got %+v until %s, %v", got, ends, err)
	}
	if got, _, err := token(app("githubAppInstallationOwner", "someone")); err != nil || got.Password != "token-2" {
		t.Errorf("an installation by its owner: %+v, %v", got, err)
	}
	for name, data := range map[string]map[string][]byte{
		"no installation":    app(),
		"two installations":  app("githubAppInstallationID", "42", "githubAppInstallationOwner", "someone"),
		"no id":              app("githubAppID", "", "githubAppInstallationID", "42"),
		"no key":             app("githubAppPrivateKey", "", "githubAppInstallationID", "42"),
		"something as a key": app("githubAppPrivateKey", "x", "githubAppInstallationID", "42"),
	} {
		if _, _, err := token(data); !errors.Is(err, git.ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", name, err)
		}
	}
	if _, _, err := token(app("githubAppInstallationID", "43")); err == nil {
		t.Error("an unknown installation got a token")
	}
}
