package sops

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	agelib "filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/cmd/sops/common"
	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/pgp"
	"github.com/getsops/sops/v3/shamir"
)

// keyring is every key of the tests.
type keyring struct {
	age    *agelib.X25519Identity
	other  *agelib.X25519Identity
	hybrid *agelib.HybridIdentity
	pgp    *openpgp.Entity
	home   string // of GnuPG
}

func newKeyring(t *testing.T) *keyring {
	t.Helper()
	k := &keyring{home: t.TempDir()}
	var err error
	must := func() {
		if err != nil {
			t.Fatal(err)
		}
	}
	k.age, err = agelib.GenerateX25519Identity()
	must()
	k.other, err = agelib.GenerateX25519Identity()
	must()
	k.hybrid, err = agelib.GenerateHybridIdentity()
	must()
	k.pgp, err = openpgp.NewEntity("test", "", "test@example.org", nil)
	must()
	var ring bytes.Buffer
	err = k.pgp.Serialize(&ring)
	must()
	err = os.Chmod(k.home, 0o700)
	must()
	err = os.WriteFile(filepath.Join(k.home, "pubring.gpg"), ring.Bytes(), 0o600)
	must()
	return k
}

// entries are the keys as the entries of a Secret.
func (k *keyring) entries(t *testing.T) map[string][]byte {
	t.Helper()
	var secret bytes.Buffer
	w, err := armor.Encode(&secret, openpgp.PrivateKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.pgp.SerializePrivate(w, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"age.agekey":   []byte("# created: today\n# public key: " + k.age.Recipient().String() + "\n" + k.age.String() + "\n"),
		"other.agekey": []byte(k.other.String()),
		"pq.agekey":    []byte(k.hybrid.String()),
		"pgp.asc":      secret.Bytes(),
	}
}

func (k *keyring) fingerprint() string { return fmt.Sprintf("%X", k.pgp.PrimaryKey.Fingerprint) }

// master returns the master key of a name.
func (k *keyring) master(name string) keys.MasterKey {
	recipient := map[string]string{
		"age.agekey": k.age.Recipient().String(), "other.agekey": k.other.Recipient().String(), "pq.agekey": k.hybrid.Recipient().String(),
	}[name]
	if recipient != "" {
		return &age.MasterKey{Recipient: recipient}
	}
	key := &pgp.MasterKey{Fingerprint: k.fingerprint(), CreationDate: time.Now().UTC()}
	pgp.GnuPGHome(k.home).ApplyToMasterKey(key) // the ring is read without the gpg binary
	return key
}

// encrypt is what the sops program does. It returns the encrypted file, and the plain
// one that it would write itself.
func (k *keyring) encrypt(t *testing.T, c fileCase) (encrypted, plain []byte) {
	t.Helper()
	return encryptWith(t, c, k.master)
}

// encryptWith is encrypt with the master keys that named returns.
func encryptWith(t *testing.T, c fileCase, named func(string) keys.MasterKey) (encrypted, plain []byte) {
	t.Helper()
	store := common.StoreForFormat(c.format, config.NewStoresConfig())
	load := func() sops.TreeBranches {
		branches, err := store.LoadPlainFile([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		return branches
	}
	tree := sops.Tree{Branches: load(), Metadata: sops.Metadata{
		Version: "3.13.3", LastModified: time.Now().UTC(), ShamirThreshold: c.threshold, MACOnlyEncrypted: c.macOnly,
		UnencryptedSuffix: c.rules.unencryptedSuffix, EncryptedSuffix: c.rules.encryptedSuffix,
		UnencryptedRegex: c.rules.unencryptedRegex, EncryptedRegex: c.rules.encryptedRegex,
		UnencryptedCommentRegex: c.rules.unencryptedCommentRegex, EncryptedCommentRegex: c.rules.encryptedCommentRegex,
	}}
	if c.rules == (ruleSet{}) {
		tree.Metadata.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
	}
	key := share(t, &tree, c, named)
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		t.Fatal(err)
	}
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		t.Fatal(err)
	}
	if encrypted, err = store.EmitEncryptedFile(tree); err != nil {
		t.Fatal(err)
	}
	return encrypted, decryptAsSops(t, encrypted, c.format, c.format, key)
}

// share makes a data key and encrypts it with the master keys of c.
func share(t *testing.T, tree *sops.Tree, c fileCase, named func(string) keys.MasterKey) []byte {
	t.Helper()
	key := []byte("0123456789abcdef0123456789ABCDEF")
	parts := [][]byte{key}
	if len(c.groups) > 1 {
		var err error
		if parts, err = shamir.Split(key, len(c.groups), c.threshold); err != nil {
			t.Fatal(err)
		}
	}
	for i, names := range c.groups {
		var group sops.KeyGroup
		for _, name := range names {
			master := named(name)
			if err := master.Encrypt(parts[i]); err != nil {
				t.Fatal(err)
			}
			group = append(group, master)
		}
		tree.Metadata.KeyGroups = append(tree.Metadata.KeyGroups, group)
	}
	return key
}

// decryptAsSops is what the sops program makes of an encrypted file.
func decryptAsSops(t *testing.T, encrypted []byte, in, out formats.Format, key []byte) []byte {
	t.Helper()
	tree, err := common.StoreForFormat(in, config.NewStoresConfig()).LoadEncryptedFile(encrypted)
	if err != nil {
		t.Fatal(err)
	}
	cipher := aes.NewCipher()
	mac, err := tree.Decrypt(key, cipher)
	if err != nil {
		t.Fatal(err)
	}
	want, err := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil || want != mac {
		t.Fatalf("the original does not verify its own MAC: %v", err)
	}
	plain, err := common.StoreForFormat(out, config.NewStoresConfig()).EmitPlainFile(tree.Branches)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
