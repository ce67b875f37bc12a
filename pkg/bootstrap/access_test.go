package bootstrap

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
)

func TestAccess(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	server, err := gittest.ServeSSH(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	tests := map[string]struct {
		access Access
		keys   string // of the Secret
		url    string
		wrong  string
	}{
		"a password":            {Access{URL: "https://example.com/x.git", Username: "git", Password: "p"}, "password username", "https://example.com/x.git", ""},
		"a bearer token":        {Access{URL: "https://example.com/x.git", Username: "git", BearerToken: "p"}, "bearerToken", "https://example.com/x.git", ""},
		"nothing":               {Access{URL: "https://example.com/x.git", Username: "git"}, "", "https://example.com/x.git", ""},
		"a key":                 {Access{URL: server.URL + "/x.git", Identity: server.Identity}, "identity identity.pub known_hosts", server.URL + "/x.git", ""},
		"the short form":        {Access{URL: "git@example.com:a/x.git", Identity: server.Identity, KnownHosts: server.KnownHosts}, "identity identity.pub known_hosts", "ssh://git@example.com/a/x.git", ""},
		"not encrypted":         {Access{URL: "http://example.com/x.git"}, "", "", "--allow-insecure-http"},
		"no URL":                {Access{}, "", "", "--url"},
		"no host":               {Access{URL: "https:///x"}, "", "", "--url"},
		"another scheme":        {Access{URL: "ftp://example.com/x"}, "", "", "ftp"},
		"a password in the URL": {Access{URL: "https://me:secret@example.com/x"}, "", "", "GIT_PASSWORD"},
		"a bad CA":              {Access{URL: "https://example.com/x", CA: []byte("none")}, "", "", "--ca-file"},
		"a bad key":             {Access{URL: server.URL + "/x", Identity: []byte("none")}, "", "", "--private-key-file"},
		"bad known hosts":       {Access{URL: server.URL + "/x", KnownHosts: []byte("x y z")}, "", "", "--known-hosts-file: line 1"},
		"no agent":              {Access{URL: server.URL + "/x"}, "", "", "SSH_AUTH_SOCK"},
		"nobody there":          {Access{URL: "ssh://git@127.0.0.1:1/x"}, "", "", "127.0.0.1:1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := &Options{Sync: Sync{Secret: "flux-system"}}
			err := tt.access.Fill(t.Context(), o)
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v, want %q", err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			check(t, tt.url, o.Sync.URL)
			check(t, tt.keys, strings.Join(sorted(o.Credentials.Data), " "))
			if (tt.keys == "") != (o.Sync.Secret == "") {
				t.Errorf("the Secret is %q", o.Sync.Secret)
			}
		})
	}
}

func sorted(data map[string][]byte) []string {
	var keys []string
	for _, key := range []string{KeyBearer, KeyCA, KeyIdentity, KeyPublic, KeyKnownHosts, KeyPassword, KeyUsername} {
		if _, ok := data[key]; ok {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestGenerate(t *testing.T) {
	for name, tt := range map[string]struct {
		key  KeyType
		kind string // empty is refused
	}{
		"p256": {KeyType{Algorithm: "ecdsa", Curve: "p256"}, ssh.KeyAlgoECDSA256}, "p384": {KeyType{Algorithm: "ecdsa", Curve: "p384"}, ssh.KeyAlgoECDSA384},
		"p521": {KeyType{Algorithm: "ecdsa", Curve: "p521"}, ssh.KeyAlgoECDSA521}, "ed25519": {KeyType{Algorithm: "ed25519"}, ssh.KeyAlgoED25519},
		"rsa": {KeyType{Algorithm: "rsa", Bits: 2048}, ssh.KeyAlgoRSA}, "a short one": {KeyType{Algorithm: "rsa", Bits: 1024}, ""},
		"an odd one": {KeyType{Algorithm: "rsa", Bits: 2049}, ""}, "no curve": {KeyType{Algorithm: "ecdsa", Curve: "p1"}, ""}, "no algorithm": {KeyType{Algorithm: "dsa"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tt.key.Check(); (err == nil) != (tt.kind != "") {
				t.Fatal(err)
			}
			if tt.kind == "" {
				return
			}
			pair, err := tt.key.Generate()
			if err != nil {
				t.Fatal(err)
			}
			public, err := PublicOf(pair.Private, "")
			if err != nil || string(public) != string(pair.Public) || !strings.HasPrefix(string(public), tt.kind+" ") {
				t.Errorf("%s, %s, %v", public, pair.Public, err)
			}
			if !strings.HasPrefix(Fingerprint(public), tt.kind+" SHA256:") {
				t.Error(Fingerprint(public))
			}
		})
	}
}

// A host whose key is not the one that the user knows is not trusted.
func TestScanHostKey(t *testing.T) {
	server, err := gittest.ServeSSH(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	address := strings.TrimPrefix(server.URL, "ssh://git@")
	home := t.TempDir()
	t.Setenv("HOME", home)
	scan := func() error {
		line, err := ScanHostKey(context.Background(), address)
		if err == nil {
			check(t, strings.TrimSpace(string(server.KnownHosts)), strings.TrimSpace(string(line)))
		}
		return err
	}
	if err := scan(); err != nil {
		t.Error(err)
	}
	stranger, err := KeyType{Algorithm: "ed25519"}.Generate()
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(stranger.Public)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{"the same": string(server.KnownHosts), "another host": knownhosts.Line([]string{"example.com"}, key), "another key": knownhosts.Line([]string{address}, key)}
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, line := range known {
		if err := os.WriteFile(filepath.Join(home, ".ssh", "known_hosts"), []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := scan(); (err != nil) != (name == "another key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	if _, err := ScanHostKey(context.Background(), l.Addr().String()); err == nil {
		t.Error("a host that speaks no SSH has a key")
	}
}
