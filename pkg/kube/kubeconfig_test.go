package kube

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// kubeconfigOf returns a kubeconfig with entries of its cluster and of its user.
func kubeconfigOf(cluster, user string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: it, contexts: [{name: it, context: {cluster: c, user: u}}],
clusters: [{name: other, cluster: {server: "https://other.test"}}, {name: c, cluster: {%s}}], users: [{name: u, user: {%s}}]}`, cluster, user)
}

const (
	server1  = `server: "https://cluster.test:6443/prefix"`
	hasExec  = `exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/steal, interactiveMode: Never}`
	provider = `auth-provider: {name: gcp, config: {cmd-path: /bin/steal}}`
)

// What a kubeconfig may say is taken over, all else is not.
func TestParseKubeconfig(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("token-of-the-process"), 0o600); err != nil {
		t.Fatal(err)
	}
	type want struct {
		rest.Config
		refused string // a part of the error
	}
	plain := rest.Config{Host: "https://cluster.test:6443/prefix", BearerToken: "t"}
	basic := rest.Config{Host: plain.Host, Username: "u", Password: "p"}
	insecure := plain
	insecure.Insecure = true
	named := plain
	named.ServerName = "api.test"
	cases := map[string]struct {
		cluster, user string
		allow         bool
		want          want
	}{
		"a token":                    {server1, "token: t", false, want{Config: plain}},
		"a password":                 {server1, "username: u, password: p", false, want{Config: basic}},
		"nobody":                     {server1, "", false, want{Config: rest.Config{Host: plain.Host}}},
		"another name":               {server1 + ", tls-server-name: api.test", "token: t", false, want{Config: named}},
		"both":                       {server1, "token: t, username: u", false, want{refused: "only one of them"}},
		"insecure":                   {server1 + ", insecure-skip-tls-verify: true", "token: t", false, want{Config: plain}},
		"insecure, allowed":          {server1 + ", insecure-skip-tls-verify: true", "token: t", true, want{Config: insecure}},
		"a program":                  {server1, hasExec, true, want{refused: "exec, which is refused"}},
		"a program beside a token":   {server1, "token: t, " + hasExec, true, want{Config: plain}},
		"a provider":                 {server1, provider, true, want{refused: "auth-provider, which is refused"}},
		"a provider beside a token":  {server1, "token: t, " + provider, false, want{Config: plain}},
		"a file":                     {server1, "tokenFile: " + secret, true, want{refused: "tokenFile, which is refused"}},
		"a file beside a token":      {server1, "token: t, tokenFile: " + secret, false, want{Config: plain}},
		"files of a certificate":     {server1, "client-certificate: " + secret + ", client-key: " + secret, true, want{refused: "paths of files"}},
		"a file of an authority":     {server1 + ", certificate-authority: " + secret, "token: t", false, want{Config: plain}},
		"acting for somebody":        {server1, `token: t, as: admin, as-groups: ["system:masters"], as-uid: x`, false, want{Config: plain}},
		"a certificate that is none": {server1, "client-certificate-data: eA==, client-key-data: eA==", false, want{refused: "cannot be used"}},
		"no server":                  {"", "token: t", false, want{refused: "not a URL"}},
		"a file as server":           {`server: "file:///etc"`, "token: t", false, want{refused: "not a URL"}},
		"a user in the URL":          {`server: "https://a:swordfish@cluster.test"`, "token: t", false, want{refused: "must have no user"}},
		"a query in the URL":         {`server: "https://cluster.test?x="`, "token: t", false, want{refused: "must have no user"}},
		"a proxy that is none":       {server1 + `, proxy-url: "ssh://x"`, "token: t", false, want{refused: "proxy-url"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ParseKubeconfig([]byte(kubeconfigOf(c.cluster, c.user)), c.allow)
			if c.want.refused != "" {
				if !errors.Is(err, ErrKubeconfig) || !strings.Contains(err.Error(), c.want.refused) || strings.Contains(err.Error(), "swordfish") {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want.Config.String(), got.String()); diff != "" || got.BearerToken != c.want.BearerToken || got.Password != c.want.Password {
				t.Errorf("got %s", diff)
			}
		})
	}
}

func TestParseKubeconfigThatIsBroken(t *testing.T) {
	for name, content := range map[string]string{
		"nothing":          "",
		"no YAML":          "swordfish: [",
		"another type":     `{apiVersion: v1, kind: Config, users: [{name: u, user: {token: {swordfish: x}}}]}`,
		"another kind":     `{apiVersion: v1, kind: Swordfish}`,
		"no context":       `{apiVersion: v1, kind: Config}`,
		"a wrong context":  `{apiVersion: v1, kind: Config, current-context: x}`,
		"a wrong cluster":  `{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: y}}]}`,
		"a wrong user":     `{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: y, user: z}}], clusters: [{name: y, cluster: {server: "https://a"}}]}`,
		"much":             strings.Repeat("#", MaxKubeconfig+1),
		"deeply nested":    strings.Repeat("[", 20_000),
		"references a lot": "a: &a [x,x,x,x,x,x,x,x,x]\n" + strings.Repeat("b: &b [*a,*a,*a,*a,*a,*a]\n", 20),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKubeconfig([]byte(content), true)
			if !errors.Is(err, ErrKubeconfig) || strings.Contains(err.Error(), "swordfish") || strings.Contains(err.Error(), "Swordfish") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestParseKubeconfigProxyAndAuthority(t *testing.T) {
	authority := base64.StdEncoding.EncodeToString([]byte("no certificate"))
	if _, err := ParseKubeconfig([]byte(kubeconfigOf(server1+", certificate-authority-data: "+authority, "token: t")), false); !errors.Is(err, ErrKubeconfig) {
		t.Errorf("an authority that is none: %v", err)
	}
	config, err := ParseKubeconfig([]byte(kubeconfigOf(server1+`, proxy-url: "socks5://proxy.test:1"`, "token: t")), false)
	if err != nil {
		t.Fatal(err)
	}
	u, err := config.Proxy(&http.Request{})
	if err != nil || u.String() != "socks5://proxy.test:1" {
		t.Errorf("the proxy is %v (%v)", u, err)
	}
}

func FuzzParseKubeconfig(f *testing.F) {
	f.Add([]byte(kubeconfigOf(server1, "token: t")))
	f.Add([]byte(kubeconfigOf(server1, hasExec)))
	f.Fuzz(func(t *testing.T, content []byte) {
		config, err := ParseKubeconfig(content, false)
		if err == nil && (config.Host == "" || config.ExecProvider != nil || config.AuthProvider != nil || config.BearerTokenFile != "" ||
			config.CAFile != "" || config.CertFile != "" || config.KeyFile != "" || config.Insecure || config.Impersonate.UserName != "") {
			t.Errorf("got %s", config)
		}
	})
}
