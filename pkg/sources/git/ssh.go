package git

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

const (
	// defaultSSHUser is who logs in where the URL does not say.
	defaultSSHUser = "git"
	// defaultSSHTimeout bounds the handshake where the context does not.
	defaultSSHTimeout = time.Minute
	defaultSSHPort    = 22
)

// sshKeys logs in with a private key and trusts known hosts only. It implements
// the AuthMethod of the SSH transport.
type sshKeys struct {
	config *ssh.ClientConfig
	user   string
}

func (k *sshKeys) Name() string                             { return "ssh-public-keys" }
func (k *sshKeys) String() string                           { return "user: " + k.user }
func (k *sshKeys) ClientConfig() (*ssh.ClientConfig, error) { return k.config, nil }

var _ gitssh.AuthMethod = (*sshKeys)(nil)

// sshAuth returns the credentials for SSH.
func (r *Remote) sshAuth(ctx context.Context, e *transport.Endpoint) (transport.AuthMethod, error) {
	if r.Proxy != nil {
		if r.Proxy.Scheme != "socks5" {
			return nil, fmt.Errorf("%w: SSH needs a socks5 proxy, not %s", ErrConfig, r.Proxy.Scheme)
		}
		e.Proxy = transport.ProxyOptions{URL: r.Proxy.String()}
	}
	login, err := r.login()
	if err != nil {
		return nil, err
	}
	trust, err := hostKeys(r.Auth.KnownHosts)
	if err != nil {
		return nil, fmt.Errorf("%w: known_hosts: %w", ErrConfig, err)
	}
	timeout := defaultSSHTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	address := net.JoinHostPort(e.Host, strconv.Itoa(cmp.Or(e.Port, defaultSSHPort)))
	config := &ssh.ClientConfig{
		User:              cmp.Or(e.User, defaultSSHUser),
		Auth:              []ssh.AuthMethod{login},
		HostKeyCallback:   trust,
		HostKeyAlgorithms: r.HostKeyAlgorithms,
		Timeout:           timeout,
	}
	config.KeyExchanges = r.KeyExchanges
	if len(config.HostKeyAlgorithms) == 0 {
		config.HostKeyAlgorithms = hostKeyAlgorithms(trust, address)
	}
	return &sshKeys{config: config, user: config.User}, nil
}

// login returns how to log in.
func (r *Remote) login() (ssh.AuthMethod, error) {
	if len(r.Auth.Identity) == 0 && r.Auth.Signers != nil {
		return ssh.PublicKeysCallback(r.Auth.Signers), nil
	}
	signer, err := r.signer()
	if err != nil {
		return nil, err
	}
	return ssh.PublicKeys(signer), nil
}

func (r *Remote) signer() (ssh.Signer, error) {
	if len(r.Auth.Identity) == 0 {
		return nil, fmt.Errorf("%w: SSH needs an identity", ErrConfig)
	}
	signer, err := ssh.ParsePrivateKey(r.Auth.Identity)
	var encrypted *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &encrypted) && r.Auth.Passphrase == "":
		return nil, fmt.Errorf("%w: the identity is encrypted and there is no password for it", ErrConfig)
	case errors.As(err, &encrypted):
		signer, err = ssh.ParsePrivateKeyWithPassphrase(r.Auth.Identity, []byte(r.Auth.Passphrase))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the identity is not a private key, or its password is wrong", ErrConfig)
	}
	return signer, nil
}

// hostKeys returns what checks host keys against a known_hosts file. The parser
// reads files only.
func hostKeys(knownHosts []byte) (ssh.HostKeyCallback, error) {
	if len(bytes.TrimSpace(knownHosts)) == 0 {
		return nil, errors.New("it is empty")
	}
	f, err := os.CreateTemp("", "known_hosts")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(knownHosts); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return knownhosts.New(f.Name())
}

// hostKeyAlgorithms returns the algorithms for which known_hosts has a key of
// the host, so that the server presents one that can be checked. It asks with a
// key that no host has, and reads the answer.
func hostKeyAlgorithms(trust ssh.HostKeyCallback, address string) []string {
	var wanted *knownhosts.KeyError
	err := trust(address, &net.TCPAddr{IP: net.IPv4zero}, noKey{})
	if !errors.As(err, &wanted) {
		return nil
	}
	var algorithms []string
	for _, known := range wanted.Want {
		kind := known.Key.Type()
		if kind == ssh.KeyAlgoRSA {
			algorithms = append(algorithms, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		}
		if !slices.Contains(algorithms, kind) {
			algorithms = append(algorithms, kind)
		}
	}
	return algorithms
}

// noKey is a public key that nobody has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("not a key") }

// CheckKnownHosts says what is wrong with a known_hosts file, by its line.
func CheckKnownHosts(content []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, _, _, _, _, err := ssh.ParseKnownHosts([]byte(line)); err != nil {
			return fmt.Errorf("line %d is not an entry of known_hosts", n)
		}
	}
	return nil
}

// countSSH reports bytes that came over SSH; those over HTTP are counted on their way.
func (r *Remote) countSSH(bytes int64) {
	if r.Received != nil && strings.HasPrefix(r.URL, "ssh://") {
		r.Received(bytes)
	}
}
