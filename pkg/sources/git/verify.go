package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/crypto/ssh"
)

// ErrUnsigned says that there is no signature to check. It is an
// [ErrSignature].
var ErrUnsigned = fmt.Errorf("%w: the object is not signed", ErrSignature)

// Keys are the public keys that may have signed.
type Keys struct {
	// PGP are armoured key rings, SSH files of authorized keys.
	PGP, SSH [][]byte
}

// FromTag says whether the commit was found by a tag.
func (c *Commit) FromTag() bool { return c.Ref.IsTag() }

// Verify checks the signature of the commit and returns who signed: the key id
// for PGP, the fingerprint for SSH. Errors are [ErrSignature].
func (c *Commit) Verify(keys Keys) (signer string, err error) {
	signed := &plumbing.MemoryObject{}
	if err := c.commit.EncodeWithoutSignature(signed); err != nil {
		return "", fmt.Errorf("%w: commit %s: %w", ErrSignature, c.Head.Commit, err)
	}
	return verify(fmt.Sprintf("commit '%s'", c.Head.Commit), signed, c.commit.PGPSignature, keys)
}

// VerifyTag checks the signature of the annotated tag that names the commit.
func (c *Commit) VerifyTag(keys Keys) (signer string, err error) {
	if c.tag == nil {
		return "", fmt.Errorf("tag '%s': %w", c.Name, ErrUnsigned)
	}
	signed := &plumbing.MemoryObject{}
	if err := c.tag.EncodeWithoutSignature(signed); err != nil {
		return "", fmt.Errorf("%w: tag '%s': %w", ErrSignature, c.Name, err)
	}
	return verify(fmt.Sprintf("tag '%s'", c.Name), signed, c.tag.PGPSignature, keys)
}

func verify(what string, signed *plumbing.MemoryObject, signature string, keys Keys) (string, error) {
	r, err := signed.Reader()
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrSignature, what, err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrSignature, what, err)
	}
	var signer string
	switch {
	case signature == "":
		return "", fmt.Errorf("%s: %w", what, ErrUnsigned)
	case strings.HasPrefix(signature, "-----BEGIN PGP SIGNATURE-----"):
		signer, err = verifyPGP(content, signature, keys.PGP)
	case strings.HasPrefix(signature, "-----BEGIN SSH SIGNATURE-----"):
		signer, err = verifySSH(content, signature, keys.SSH)
	default:
		err = errors.New("the signature is neither PGP nor SSH")
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrSignature, what, err)
	}
	return signer, nil
}

func verifyPGP(content []byte, signature string, rings [][]byte) (string, error) {
	if len(rings) == 0 {
		return "", errors.New("there is no PGP key to check it with")
	}
	for _, ring := range rings {
		entities, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(ring))
		if err != nil {
			return "", fmt.Errorf("a PGP key is unusable: %w", err)
		}
		signer, err := openpgp.CheckArmoredDetachedSignature(entities, bytes.NewReader(content), strings.NewReader(signature), nil)
		if err == nil {
			return signer.PrimaryKey.KeyIdString(), nil
		}
	}
	return "", errors.New("no PGP key fits the signature")
}

func verifySSH(content []byte, signature string, files [][]byte) (string, error) {
	if len(files) == 0 {
		return "", errors.New("there is no SSH key to check it with")
	}
	sig, err := parseSSHSignature(signature)
	if err != nil {
		return "", err
	}
	for _, file := range files {
		for rest := file; len(bytes.TrimSpace(rest)) > 0; {
			var key ssh.PublicKey
			key, _, _, rest, err = ssh.ParseAuthorizedKey(rest)
			if err != nil {
				return "", fmt.Errorf("an SSH key is unusable: %w", err)
			}
			if bytes.Equal(key.Marshal(), sig.key.Marshal()) {
				return ssh.FingerprintSHA256(key), sig.check(content)
			}
		}
	}
	return "", errors.New("no SSH key fits the signature")
}
