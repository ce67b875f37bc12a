package decrypt

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// maxKeyBlocks is how many armored blocks one keyring may have.
const maxKeyBlocks = 64

var errKeyring = errors.New("it is not an OpenPGP keyring")

// pgpKeyring reads a keyring, armored, in one block or several, or binary.
func pgpKeyring(file []byte) (openpgp.EntityList, error) {
	var ring openpgp.EntityList
	if !bytes.Contains(file, []byte("-----BEGIN PGP")) {
		keys, err := openpgp.ReadKeyRing(bytes.NewReader(file))
		return secretKeys(keys, err)
	}
	in := bufio.NewReader(bytes.NewReader(file))
	for range maxKeyBlocks {
		block, err := armor.Decode(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.New("its armor is damaged")
		}
		if block.Type != openpgp.PrivateKeyType && block.Type != openpgp.PublicKeyType {
			return nil, errKeyring
		}
		keys, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return nil, errors.New("its keys cannot be read")
		}
		ring = append(ring, keys...)
	}
	return secretKeys(ring, nil)
}

// secretKeys leaves out what has no private key: a public key is of no use, and no
// mistake.
func secretKeys(ring openpgp.EntityList, err error) (openpgp.EntityList, error) {
	if err != nil {
		return nil, errKeyring
	}
	return slices.DeleteFunc(ring, func(e *openpgp.Entity) bool { return e.PrivateKey == nil }), nil
}

var (
	errNoPGPKey   = errors.New("there is no OpenPGP private key for it")
	errPassphrase = errors.New("the private key is locked with a passphrase")
)

// openPGP decrypts a data key with whichever key of the ring it is for.
func openPGP(enc string, ring openpgp.EntityList) ([]byte, error) {
	if len(ring) == 0 {
		return nil, errNoPGPKey
	}
	block, err := armor.Decode(strings.NewReader(enc))
	if err != nil {
		return nil, errors.New("the encrypted data key is damaged")
	}
	locked := false
	message, err := openpgp.ReadMessage(block.Body, ring, func(keys []openpgp.Key, symmetric bool) ([]byte, error) {
		locked = len(keys) > 0
		return nil, errPassphrase
	}, nil)
	switch {
	case locked:
		return nil, errPassphrase
	case err != nil:
		return nil, errNoPGPKey
	}
	key, err := io.ReadAll(io.LimitReader(message.UnverifiedBody, maxDataKey))
	if err != nil {
		return nil, errors.New("the encrypted data key is damaged")
	}
	return key, nil
}
