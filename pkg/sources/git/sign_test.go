package git_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"golang.org/x/crypto/ssh"

	"github.com/fluxd/fluxd/pkg/sources/git"
)

const passphrase = "open sesame"

// secretRing returns a key ring with a secret key that takes the passphrase, the public
// half of it, and its id.
func secretRing(t *testing.T, armoured bool) (ring, public []byte, id string) {
	t.Helper()
	entity, err := openpgp.NewEntity("Test", "", "test@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind string, armoured bool, serialize func(io.Writer) error) []byte {
		var out bytes.Buffer
		if !armoured {
			if err := serialize(&out); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
		w, err := armor.Encode(&out, kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(serialize(w), w.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	public = write(openpgp.PublicKeyType, true, entity.Serialize)
	if err := entity.EncryptPrivateKeys([]byte(passphrase), nil); err != nil {
		t.Fatal(err)
	}
	ring = write(openpgp.PrivateKeyType, armoured, func(w io.Writer) error { return entity.SerializePrivateWithoutSigning(w, nil) })
	return ring, public, entity.PrimaryKey.KeyIdString()
}

// pushed pushes a commit that signer signs onto a branch, and fetches it.
func (w *world) pushed(t *testing.T, signer git.Signer) *git.Commit {
	t.Helper()
	remote := &git.Remote{URL: w.server.RepoURL(w.repo)}
	c := change(map[string][]byte{"new.yaml": []byte("a: 1\n")})
	c.Sign = signer
	if _, err := remote.Push(t.Context(), "main", base(t.Context(), t, remote, "main"), c); err != nil {
		t.Fatal(err)
	}
	return base(t.Context(), t, remote, "main")
}

func TestPushSignedWithPGP(t *testing.T) {
	for name, armoured := range map[string]bool{"armoured": true, "binary": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ring, public, id := secretRing(t, armoured)
			signer, err := git.PGPSigner(ring, "0x"+id, passphrase)
			if err != nil {
				t.Fatal(err)
			}
			who, err := w.pushed(t, signer).Verify(git.Keys{PGP: [][]byte{public}})
			if err != nil || who != id {
				t.Errorf("signed by %q, error %v", who, err)
			}
			for what, again := range map[string]func() (git.Signer, error){
				"the wrong passphrase": func() (git.Signer, error) { return git.PGPSigner(ring, id, "wrong") },
				"another id":           func() (git.Signer, error) { return git.PGPSigner(ring, "0123456789ABCDEF", passphrase) },
				"a public key":         func() (git.Signer, error) { return git.PGPSigner(public, "", "") },
				"no key ring":          func() (git.Signer, error) { return git.PGPSigner([]byte("x"), "", "") },
			} {
				if _, err := again(); err == nil {
					t.Errorf("%s signs", what)
				}
			}
		})
	}
}

func TestPushSignedWithSSH(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string]crypto.Signer{"ed25519": ed, "ecdsa": ec, "rsa": rs} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			key, err := ssh.NewPublicKey(private.Public())
			if err != nil {
				t.Fatal(err)
			}
			public := ssh.MarshalAuthorizedKey(key)
			file := pem.EncodeToMemory(block)
			for what, word := range map[string]string{"no passphrase": "", "the wrong passphrase": "wrong"} {
				if _, err := git.SSHSigner(file, word); err == nil {
					t.Errorf("%s is enough", what)
				}
			}
			signer, err := git.SSHSigner(file, passphrase)
			if err != nil {
				t.Fatal(err)
			}
			who, err := w.pushed(t, signer).Verify(git.Keys{SSH: [][]byte{public}})
			if err != nil || who != ssh.FingerprintSHA256(key) {
				t.Errorf("signed by %q, error %v", who, err)
			}
			if _, err := exec.LookPath("ssh-keygen"); err != nil {
				t.Skip("that git itself takes the signature cannot be seen: it asks ssh-keygen, which is not there")
			}
			allowed := filepath.Join(t.TempDir(), "allowed")
			if err := os.WriteFile(allowed, append([]byte("* "), public...), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := w.repo.Git(t.Context(), "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", "main"); err != nil {
				t.Errorf("git: %v %s", err, out)
			}
		})
	}
}
