package kustomization

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// issuer issues tokens that tell who they are for.
type issuer struct{}

func (issuer) ServiceAccountToken(_ context.Context, namespace, name string, audiences []string) (string, error) {
	return namespace + "/" + name + " for " + strings.Join(audiences, ","), nil
}

func TestVaultPaths(t *testing.T) {
	cases := map[string]struct {
		data map[string]string
		want map[string]string
		err  string
	}{
		"a list": {
			data: map[string]string{"config.yaml": "instances:\n- {address: 'https://a:8200', loginPath: auth/kubernetes/login}\n- {address: 'https://b', loginPath: team/auth/jwt/login}\n"},
			want: map[string]string{"https://a:8200": "auth/kubernetes/login", "https://b": "team/auth/jwt/login"},
		},
		"an empty list":      {data: map[string]string{"config.yaml": ""}, want: map[string]string{}},
		"no list":            {data: map[string]string{"other": ""}, err: "Vault ConfigMap 'fluxd/vault' is missing the 'config.yaml' key"},
		"a list that is bad": {data: map[string]string{"config.yaml": "["}, err: "failed to parse 'config.yaml' in Vault ConfigMap 'fluxd/vault'"},
		"no ConfigMap":       {err: "failed to get Vault ConfigMap 'fluxd/vault': "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.r.options.VaultConfigMap = ConfigMapName{"fluxd", "vault"}
			if c.data != nil {
				w.configs.data["ConfigMap/fluxd/vault"] = c.data
			}
			got, err := (&pass{reconciler: w.r, obj: w.ks}).vaultPaths(context.Background())
			if c.err == "" && (err != nil || !cmp.Equal(got, c.want)) || c.err != "" && (err == nil || !strings.HasPrefix(err.Error(), c.err)) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestVaultLoginOfAnObject(t *testing.T) {
	w := newWorld(t)
	p := &pass{reconciler: w.r, obj: w.ks}
	if p.vaultLogin("sops") != nil {
		t.Error("without a list somebody logs in")
	}
	w.r.options.VaultConfigMap, w.r.options.Accounts = ConfigMapName{"fluxd", "vault"}, issuer{}
	login := p.vaultLogin("sops")
	got, err := login.Token(context.Background(), "https://vault")
	if want := "flux-system/sops for https://vault"; err != nil || got != want || login.List != "fluxd/vault" {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := os.Stat(ownToken); err == nil {
		return // in a Pod
	}
	if token, err := p.vaultLogin("").Token(context.Background(), "https://vault"); err == nil {
		t.Errorf("outside of a Pod the process has a token: %s", token)
	}
}
