package sops

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/render/decrypt"
	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/pgp"
)

// Keys that GnuPG made, and data keys that it encrypted, work without it.
func TestGnuPG(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("there is no gpg to make keys with")
	}
	for name, algorithm := range map[string]string{"RSA": "rsa2048", "elliptic curves": "future-default", "the default": "default"} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			if err := os.Chmod(home, 0o700); err != nil {
				t.Fatal(err)
			}
			gpg := func(args ...string) []byte {
				t.Helper()
				c := exec.CommandContext(t.Context(), "gpg", append([]string{"--homedir", home, "--batch", "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...)
				var problem bytes.Buffer
				c.Stderr = &problem
				out, err := c.Output()
				if err != nil {
					t.Fatalf("gpg %v: %v: %s", args, err, &problem)
				}
				return out
			}
			t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
			gpg("--quick-generate-key", "sops@example.org", algorithm, "default", "never")
			if algorithm == "rsa2048" { // it can sign only
				gpg("--quick-add-key", fingerprintOf(string(gpg("--list-keys", "--with-colons"))), algorithm, "encrypt", "never")
			}
			listing := string(gpg("--list-keys", "--with-colons"))
			k := &gnupg{home: home, fingerprint: fingerprintOf(listing)}
			c := fileCase{name: "f.yaml", format: formats.Yaml, text: "a: b\n", groups: [][]string{{""}}}
			encrypted, want := encryptWith(t, c, func(string) keys.MasterKey { return k.master() })
			d := decrypt.New(decrypt.Secret{Data: map[string][]byte{"sops.asc": gpg("--armor", "--export-secret-keys")}}, decrypt.Access{})
			if got := decryptFile(t, d, c.name, encrypted); string(got) != string(want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// fingerprintOf returns the first fingerprint of a listing.
func fingerprintOf(listing string) string {
	_, rest, _ := strings.Cut(listing, "\nfpr:::::::::")
	fingerprint, _, _ := strings.Cut(rest, ":")
	return fingerprint
}

type gnupg struct{ home, fingerprint string }

// master returns a key that is used by the gpg program alone.
func (g *gnupg) master() keys.MasterKey {
	k := &pgp.MasterKey{Fingerprint: g.fingerprint, CreationDate: time.Now().UTC()}
	pgp.GnuPGHome(g.home).ApplyToMasterKey(k)
	pgp.DisableOpenPGP{}.ApplyToMasterKey(k)
	return k
}
