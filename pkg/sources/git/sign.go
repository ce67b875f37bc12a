package git

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"golang.org/x/crypto/ssh"
)

// Signer returns the armoured signature of what a commit says.
type Signer func(content []byte) (signature string, err error)

// sign signs a commit, unless there is nobody to do it.
func (s Signer) sign(commit *object.Commit) error {
	if s == nil {
		return nil
	}
	unsigned := &plumbing.MemoryObject{}
	if err := commit.EncodeWithoutSignature(unsigned); err != nil {
		return err
	}
	r, err := unsigned.Reader()
	if err != nil {
		return err
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	commit.PGPSignature, err = s(content)
	return err
}

// PGPSigner signs with a secret key of a key ring, armoured or not: the one with an id
// of sixteen hexadecimal digits, or the first one if the id is empty.
func PGPSigner(ring []byte, id, passphrase string) (Signer, error) {
	entities, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(ring))
	if err != nil {
		entities, err = openpgp.ReadKeyRing(bytes.NewReader(ring))
	}
	if err != nil || len(entities) == 0 {
		return nil, errors.New("the file is not a PGP key ring: gpg --export-secret-keys writes one")
	}
	entity := entities[0]
	if id = strings.ToUpper(strings.TrimPrefix(id, "0x")); id != "" {
		entity = nil
		for _, e := range entities {
			if e.PrimaryKey.KeyIdString() == id {
				entity = e
			}
		}
		if entity == nil {
			return nil, fmt.Errorf("the key ring has no key with the id %s", id)
		}
	}
	if entity.PrivateKey == nil {
		return nil, fmt.Errorf("the key ring has the public half of %s alone: gpg --export-secret-keys writes the secret one", entity.PrimaryKey.KeyIdString())
	}
	if err := entity.DecryptPrivateKeys([]byte(passphrase)); err != nil {
		return nil, fmt.Errorf("the secret key %s cannot be decrypted with this passphrase", entity.PrimaryKey.KeyIdString())
	}
	signer := func(content []byte) (string, error) {
		var signature bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&signature, entity, bytes.NewReader(content), nil); err != nil {
			return "", fmt.Errorf("sign the commit: %w", err)
		}
		return signature.String() + "\n", nil
	}
	_, err = signer(nil) // the key may be one that does not sign, or has expired
	return signer, err
}

// SSHSigner signs with a private SSH key in PEM form.
func SSHSigner(private []byte, passphrase string) (Signer, error) {
	key, err := ssh.ParsePrivateKey(private)
	var encrypted *ssh.PassphraseMissingError
	if errors.As(err, &encrypted) && passphrase != "" {
		key, err = ssh.ParsePrivateKeyWithPassphrase(private, []byte(passphrase))
	}
	if err != nil {
		return nil, errors.New("the file is not a private SSH key, or its passphrase is missing or wrong")
	}
	return func(content []byte) (string, error) {
		s, err := signSSH(key, content)
		if err != nil {
			return "", fmt.Errorf("sign the commit: %w", err)
		}
		return s, nil
	}, nil
}

// sshsigHash is that of the signatures that are made; git makes the same.
const sshsigHash = "sha512"

// signSSH returns a signature as ssh-keygen -Y sign makes it.
func signSSH(key ssh.Signer, content []byte) (string, error) {
	signed, err := sshsigSigned(sshsigHash, content)
	if err != nil {
		return "", err
	}
	var signature *ssh.Signature
	if algorithms, ok := key.(ssh.AlgorithmSigner); ok && key.PublicKey().Type() == ssh.KeyAlgoRSA {
		signature, err = algorithms.SignWithAlgorithm(rand.Reader, signed, ssh.KeyAlgoRSASHA512)
	} else {
		signature, err = key.Sign(rand.Reader, signed)
	}
	if err != nil {
		return "", err
	}
	body := ssh.Marshal(struct {
		Version                   uint32
		Key                       []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}{sshsigVersion, key.PublicKey().Marshal(), sshsigNamespace, "", sshsigHash, ssh.Marshal(signature)})
	return string(pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: append([]byte(sshsigMagic), body...)})), nil
}
