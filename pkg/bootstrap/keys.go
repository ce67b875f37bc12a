package bootstrap

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

// KeyType says what keys are generated.
type KeyType struct {
	// Algorithm is ecdsa, ed25519 or rsa.
	Algorithm string
	// Curve is that of ecdsa: p256, p384 or p521. Bits is the length for rsa.
	Curve string
	Bits  int
}

// Check refuses what cannot be generated, without doing it.
func (k KeyType) Check() error {
	if k.Algorithm == "rsa" && k.Bits >= minBits && k.Bits%8 == 0 {
		return nil // it takes a while
	}
	_, _, err := k.generate()
	return err
}

// Pair is a key and what of it may be known.
type Pair struct {
	// Private is in PEM form, Public a line of authorized_keys.
	Private, Public []byte
}

// Generate returns a new key.
func (k KeyType) Generate() (Pair, error) {
	private, public, err := k.generate()
	if err != nil {
		return Pair{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return Pair{}, fmt.Errorf("encode the key: %w", err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		return Pair{}, fmt.Errorf("encode the key: %w", err)
	}
	return Pair{pem.EncodeToMemory(block), ssh.MarshalAuthorizedKey(line)}, nil
}

// minBits is the shortest RSA key that forges take.
const minBits = 2048

func (k KeyType) generate() (crypto.PrivateKey, crypto.PublicKey, error) {
	switch k.Algorithm {
	case "ed25519":
		public, private, err := ed25519.GenerateKey(rand.Reader)
		return private, public, err
	case "rsa":
		if k.Bits < minBits || k.Bits%8 != 0 {
			return nil, nil, fmt.Errorf("an RSA key of %d bits: it takes at least %d, and a multiple of 8", k.Bits, minBits)
		}
		private, err := rsa.GenerateKey(rand.Reader, k.Bits)
		if err != nil {
			return nil, nil, err
		}
		return private, private.Public(), nil
	case "ecdsa":
		curve, ok := map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384(), "p521": elliptic.P521()}[k.Curve]
		if !ok {
			return nil, nil, fmt.Errorf("%q is none of the curves p256, p384, p521", k.Curve)
		}
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		return private, private.Public(), nil
	}
	return nil, nil, fmt.Errorf("%q is none of the key algorithms ecdsa, ed25519, rsa", k.Algorithm)
}

// PublicOf returns the public half of a private key in PEM form.
func PublicOf(private []byte, passphrase string) ([]byte, error) {
	signer, err := ssh.ParsePrivateKey(private)
	var encrypted *ssh.PassphraseMissingError
	if errors.As(err, &encrypted) && passphrase != "" {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(private, []byte(passphrase))
	}
	if errors.As(err, &encrypted) {
		return nil, errors.New("the private key is encrypted, and its password is missing")
	}
	if err != nil {
		return nil, errors.New("the file is not a private key, or its password is wrong")
	}
	return ssh.MarshalAuthorizedKey(signer.PublicKey()), nil
}

// Agent returns what asks the SSH agent for keys, nil if there is no agent.
func Agent() func() ([]ssh.Signer, error) {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil
	}
	return func() ([]ssh.Signer, error) {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, fmt.Errorf("ask the SSH agent for keys: %w", err)
		}
		return agent.NewClient(conn).Signers() // the keys sign over the connection, which ends with the process
	}
}

// Fingerprint returns what people compare of a line of authorized_keys or of the key in
// a line of known_hosts.
func Fingerprint(line []byte) string {
	if key, _, _, _, err := ssh.ParseAuthorizedKey(line); err == nil {
		return key.Type() + " " + ssh.FingerprintSHA256(key)
	}
	if _, _, key, _, _, err := ssh.ParseKnownHosts(line); err == nil {
		return key.Type() + " " + ssh.FingerprintSHA256(key)
	}
	return "unknown"
}

// errSeen ends a handshake once the key of the host was seen.
var errSeen = errors.New("seen")

// ScanHostKey asks a host for its key and returns it as a line of known_hosts. If the
// user's own known_hosts has another key of that host, it is an error.
func ScanHostKey(ctx context.Context, address string) ([]byte, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its key: %w", address, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var seen ssh.PublicKey
	var remote net.Addr
	_, _, _, err = ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: "git",
		HostKeyCallback: func(_ string, addr net.Addr, key ssh.PublicKey) error {
			seen, remote = key, addr
			return errSeen
		},
	})
	if seen == nil {
		return nil, fmt.Errorf("ask %s for its key: %w", address, err)
	}
	if err := contradicted(address, remote, seen); err != nil {
		return nil, err
	}
	return []byte(knownhosts.Line([]string{knownhosts.Normalize(address)}, seen) + "\n"), nil
}

// contradicted says whether the user knows another key of a host.
func contradicted(address string, remote net.Addr, key ssh.PublicKey) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil // nobody at home, nobody to ask
	}
	file := filepath.Join(home, ".ssh", "known_hosts")
	check, err := knownhosts.New(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return nil // it is of no use to ssh either
	}
	var wanted *knownhosts.KeyError
	if err := check(address, remote, key); !errors.As(err, &wanted) || len(wanted.Want) == 0 {
		return nil
	}
	for _, known := range wanted.Want {
		if known.Key.Type() == key.Type() {
			return fmt.Errorf("the key of %s, %s, is not the one in %s: somebody may be in between", address, strings.TrimSpace(ssh.FingerprintSHA256(key)), file)
		}
	}
	return nil
}
