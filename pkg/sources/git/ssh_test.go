package git_test

import (
	"errors"
	"net"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"golang.org/x/crypto/ssh/knownhosts"
)

func TestSSH(t *testing.T) {
	w := newWorld(t)
	commit := w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	server, err := gittest.ServeSSH(w.server.Root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	stranger, err := gittest.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := gittest.ServeSSH(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	host, _, err := net.SplitHostPort(server.URL[len("ssh://git@"):])
	if err != nil {
		t.Fatal(err)
	}
	good := git.Auth{Identity: server.Identity, KnownHosts: server.KnownHosts}
	for name, tt := range map[string]struct {
		auth git.Auth
		want error
	}{
		"a known host and an allowed key": {good, nil},
		"a hashed known host": {git.Auth{Identity: server.Identity,
			KnownHosts: hashed(server.KnownHosts, server.URL[len("ssh://git@"):])}, nil},
		"another host's key":     {git.Auth{Identity: server.Identity, KnownHosts: rename(other, server)}, git.ErrHostKey},
		"an unknown host":        {git.Auth{Identity: server.Identity, KnownHosts: other.KnownHosts}, git.ErrHostKey},
		"a key that may not":     {git.Auth{Identity: stranger, KnownHosts: server.KnownHosts}, git.ErrAuth},
		"no key":                 {git.Auth{KnownHosts: server.KnownHosts}, git.ErrConfig},
		"no known hosts":         {git.Auth{Identity: server.Identity}, git.ErrConfig},
		"something else as key":  {git.Auth{Identity: []byte("x"), KnownHosts: server.KnownHosts}, git.ErrConfig},
		"known hosts of " + host: {git.Auth{Identity: server.Identity, KnownHosts: []byte("# nothing\n")}, git.ErrHostKey},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := (&git.Remote{URL: server.RepoURL(w.repo), Auth: tt.auth}).Connect(t.Context())
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil {
				return
			}
			defer s.Close()
			head, err := s.Resolve(git.Ref{Branch: "main"})
			if err != nil {
				t.Fatal(err)
			}
			c, err := s.Fetch(t.Context(), head)
			if err != nil {
				t.Fatal(err)
			}
			snapshot, err := c.Snapshot(t.Context(), w.store, git.Checkout{})
			if err != nil || snapshot.Revision != "main@sha1:"+commit || snapshot.Tree.Len() != 1 {
				t.Errorf("got %+v, %v", snapshot, err)
			}
		})
	}
}

// rename returns the key of one server under the address of another.
func rename(key, address *gittest.SSHServer) []byte {
	_, rest, _ := cutSpace(string(key.KnownHosts))
	name, _, _ := cutSpace(string(address.KnownHosts))
	return []byte(name + " " + rest)
}

// hashed returns a known_hosts file that does not show the address.
func hashed(knownHosts []byte, address string) []byte {
	_, rest, _ := cutSpace(string(knownHosts))
	return []byte(knownhosts.HashHostname(knownhosts.Normalize(address)) + " " + rest)
}

func cutSpace(s string) (before, after string, ok bool) {
	for i := range s {
		if s[i] == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}
