package git_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"golang.org/x/crypto/ssh"
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

// login says how a session with a server began.
func login(t *testing.T, remote git.Remote) error {
	t.Helper()
	s, err := remote.Connect(t.Context())
	if err == nil {
		s.Close()
	}
	return err
}

// Hosts have keys of every kind, those of RSA with the signatures of today.
func TestSSHHostKeys(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"RSA": rsaKey, "ECDSA": ecdsaKey} {
		t.Run(name, func(t *testing.T) {
			host, err := ssh.NewSignerFromSigner(key)
			if err != nil {
				t.Fatal(err)
			}
			server, err := gittest.ServeSSHAs(w.server.Root, host)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			if err := login(t, git.Remote{URL: server.RepoURL(w.repo), Auth: git.Auth{Identity: server.Identity, KnownHosts: server.KnownHosts}}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSSHSettings(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	server, err := gittest.ServeSSH(w.server.Root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	good := git.Remote{URL: server.RepoURL(w.repo), Auth: git.Auth{Identity: server.Identity, KnownHosts: server.KnownHosts}}
	locked := lock(t, server.Identity, "open-sesame")
	way := socks(t)
	for name, tt := range map[string]struct {
		change func(*git.Remote)
		ok     bool
	}{
		"an encrypted identity":                {func(r *git.Remote) { r.Auth.Identity, r.Auth.Passphrase = locked, "open-sesame" }, true},
		"an encrypted identity, locked":        {func(r *git.Remote) { r.Auth.Identity = locked }, false},
		"an encrypted identity, wrong word":    {func(r *git.Remote) { r.Auth.Identity, r.Auth.Passphrase = locked, "open-barley" }, false},
		"a key exchange":                       {func(r *git.Remote) { r.KeyExchanges = []string{ssh.KeyExchangeCurve25519} }, true},
		"a key exchange that nobody knows":     {func(r *git.Remote) { r.KeyExchanges = []string{"none"} }, false},
		"the kind of the host's key":           {func(r *git.Remote) { r.HostKeyAlgorithms = []string{ssh.KeyAlgoED25519} }, true},
		"a kind that the host has no key of":   {func(r *git.Remote) { r.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA512} }, false},
		"a pattern for the host":               {func(r *git.Remote) { r.Auth.KnownHosts = pattern(server.KnownHosts, "127.0.0.*") }, true},
		"a pattern for others":                 {func(r *git.Remote) { r.Auth.KnownHosts = pattern(server.KnownHosts, "127.0.1.*") }, false},
		"a pattern that leaves the host out":   {func(r *git.Remote) { r.Auth.KnownHosts = pattern(server.KnownHosts, "127.0.0.*", "!127.0.0.1") }, false},
		"a SOCKS proxy":                        {func(r *git.Remote) { r.Proxy = &url.URL{Scheme: "socks5", Host: way} }, true},
		"a SOCKS proxy that is away":           {func(r *git.Remote) { r.Proxy = &url.URL{Scheme: "socks5", Host: "127.0.0.1:1"} }, false},
		"an HTTP proxy, which SSH cannot take": {func(r *git.Remote) { r.Proxy = &url.URL{Scheme: "http", Host: way} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			remote := good
			tt.change(&remote)
			if err := login(t, remote); (err == nil) != tt.ok || err != nil && strings.Contains(err.Error(), "open-") {
				t.Errorf("got %v, want it to go well: %t", err, tt.ok)
			}
		})
	}
}

// lock encrypts a private key.
func lock(t *testing.T, identity []byte, word string) []byte {
	t.Helper()
	key, err := ssh.ParseRawPrivateKey(identity)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(*key.(*ed25519.PrivateKey), "", []byte(word))
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

// pattern returns a known_hosts file for other hosts, at the same port.
func pattern(knownHosts []byte, hosts ...string) []byte {
	address, rest, _ := cutSpace(string(knownHosts))
	_, port, _ := strings.Cut(address, "]:")
	for i, host := range hosts {
		negation := strings.HasPrefix(host, "!")
		if hosts[i] = "[" + strings.TrimPrefix(host, "!") + "]:" + port; negation {
			hosts[i] = "!" + hosts[i]
		}
	}
	return []byte(strings.Join(hosts, ",") + " " + rest)
}

// socks starts a proxy (RFC 1928) that leads to any address of IPv4, and returns its own.
func socks(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go relay(near)
		}
	}()
	return l.Addr().String()
}

func relay(near net.Conn) {
	defer near.Close()
	hello, request := make([]byte, 3), make([]byte, 10) // one way to log in; one address
	if _, err := io.ReadFull(near, hello); err != nil {
		return
	}
	_, _ = near.Write([]byte{5, 0})
	if _, err := io.ReadFull(near, request); err != nil || request[3] != 1 {
		return
	}
	far, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: request[4:8], Port: int(binary.BigEndian.Uint16(request[8:]))})
	if err != nil {
		return
	}
	defer far.Close()
	_, _ = near.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
	_, _ = io.Copy(near, far)
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
