package clusters

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/kube"
)

func TestAddressOf(t *testing.T) {
	for text, want := range map[string]string{
		"https://a.test":      "https://a.test:443",
		"https://a.test:6443": "https://a.test:6443",
		"a.test":              "https://a.test:443", "A.Test": "https://a.test:443",
		"https://[::1]": "https://[::1]:443",
		"":              "", "http://a.test": "", "https://": "", "https://u@a.test": "", "https://a.test?x": "", "file:///x": "", ":": "",
	} {
		got, err := addressOf(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, error %v", text, got, err)
		}
	}
}

// What a ConfigMap may say, and with which settings.
func TestTokenRoute(t *testing.T) {
	generic := map[string]string{"provider": "generic", "address": "https://a.test", "serviceAccountName": "tenant"}
	with := func(key, value string) map[string]string {
		m := map[string]string{key: value}
		for k, v := range generic {
			if _, ok := m[k]; !ok {
				m[k] = v
			}
		}
		return m
	}
	for name, c := range map[string]struct {
		data     map[string]string
		fallback string
		off      bool // the feature gate
		want     error
		token    string
	}{
		"an account":       {data: generic, token: "token of apps/tenant for [https://a.test:443]"},
		"audiences":        {data: with("audiences", "one\n\n two \n"), token: "token of apps/tenant for [one two]"},
		"the default":      {data: with("serviceAccountName", ""), fallback: "common", token: "token of apps/common for [https://a.test:443]"},
		"nobody":           {data: with("serviceAccountName", ""), want: ErrNoAccount},
		"without the gate": {data: generic, off: true, want: ErrObjectLevelDisabled},
		"a wrong name":     {data: with("serviceAccountName", "a:b"), want: kube.ErrAccountName},
		"a tree":           {data: with("provider", "oak"), want: ErrProvider},
		"no provider":      {data: map[string]string{}, want: ErrProvider},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(cfg *Config) { cfg.ObjectLevel, cfg.DefaultKubeconfigAccount = !c.off, c.fallback })
			w.vault.configMaps["apps/there"] = c.data
			r, err := w.route(t.Context(), owner("a"), api.KubeConfigReference{ConfigMapRef: &api.LocalObjectReference{Name: "there"}})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				if !strings.HasPrefix(err.Error(), "KubeConfig configmap 'apps/there': ") {
					t.Errorf("got %v", err)
				}
				return
			}
			token, err := r.token(t.Context())
			equal(t, "token", c.token, token)
			equal(t, "host", "https://a.test:443", r.config.Host)
			if again, _ := r.token(t.Context()); err != nil || again != token || w.vault.tokens != 1 {
				t.Errorf("%d tokens, error %v", w.vault.tokens, err)
			}
		})
	}
}

func TestTokenRouteRefusesWhatIsNoCertificate(t *testing.T) {
	w := newWorld(t, func(cfg *Config) { cfg.ObjectLevel = true })
	_, err := w.tokenRoute("apps", map[string]string{"provider": "generic", "address": "a.test", "serviceAccountName": "x", "ca.crt": "swordfish"})
	if err == nil || !strings.HasPrefix(err.Error(), "ca.crt: ") || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("got %v", err)
	}
}

func TestExactlyOneWay(t *testing.T) {
	w := newWorld(t)
	both := *at("a")
	both.ConfigMapRef = &api.LocalObjectReference{Name: "b"}
	for _, ref := range []api.KubeConfigReference{{}, both} {
		if _, err := w.route(t.Context(), owner("a"), ref); err == nil || !strings.HasPrefix(err.Error(), "exactly one of") {
			t.Errorf("got %v", err)
		}
	}
}

// Tokens are kept for 80 % of their life.
func TestTokensEnd(t *testing.T) {
	now := time.Unix(1000, 0)
	tokens := newTokens(&vault{})
	tokens.now = func() time.Time { return now }
	lived := base64.RawURLEncoding.EncodeToString([]byte(`{"exp":2000}`))
	tokens.keep("long", "a."+lived+".c")
	tokens.keep("short", "opaque")
	for _, step := range []struct {
		at    int64
		key   string
		until bool
	}{{1059, "short", true}, {1060, "short", false}, {1799, "long", true}, {1800, "long", false}} {
		now = time.Unix(step.at, 0)
		if got := now.Before(tokens.kept[step.key].until); got != step.until {
			t.Errorf("at %d the token %s is good: %v", step.at, step.key, got)
		}
	}
	for i := range 3 * maxTokens {
		tokens.keep(fmt.Sprint(i), "opaque")
	}
	if n := len(tokens.kept); n > maxTokens {
		t.Errorf("%d tokens are kept", n)
	}
}
