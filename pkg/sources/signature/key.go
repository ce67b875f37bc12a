package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// errSignature says that a signature is not by a key over some content.
var errSignature = errors.New("the signature is not by the trusted key")

// parseKey reads a public key in PEM form.
func parseKey(text []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not in PEM form")
	}
	var key crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("it is of the type %q", block.Type)
	}
	if err != nil {
		return nil, errors.New("it does not hold a public key")
	}
	return key, checkKey(key)
}

// minRSA is the least size of an RSA key, in bits.
const minRSA = 2048

func checkKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return fmt.Errorf("it is an RSA key of %d bits, of which at least %d are needed", k.N.BitLen(), minRSA)
		}
		return nil
	}
	return errors.New("it is neither an ECDSA, an RSA nor an Ed25519 key")
}

// hashing is a hash of messages.
type hashing struct {
	id  crypto.Hash
	sum func(message []byte) []byte
}

var (
	withSHA256 = hashing{crypto.SHA256, func(m []byte) []byte { s := sha256.Sum256(m); return s[:] }}
	withSHA384 = hashing{crypto.SHA384, func(m []byte) []byte { s := sha512.Sum384(m); return s[:] }}
	withSHA512 = hashing{crypto.SHA512, func(m []byte) []byte { s := sha512.Sum512(m); return s[:] }}
)

// hashesOf returns the hashes that a key is used with. Cosign takes SHA-256 for all
// keys; bundles take the hash that goes with the curve.
func hashesOf(key crypto.PublicKey) []hashing {
	if k, ok := key.(*ecdsa.PublicKey); ok {
		switch size := k.Curve.Params().BitSize; {
		case size > 384:
			return []hashing{withSHA512, withSHA256}
		case size > 256:
			return []hashing{withSHA384, withSHA256}
		}
	}
	return []hashing{withSHA256}
}

// checkMessage checks a signature over a message.
func checkMessage(key crypto.PublicKey, message, signature []byte) error {
	if k, ok := key.(ed25519.PublicKey); ok {
		if ed25519.Verify(k, message, signature) {
			return nil
		}
		return errSignature
	}
	for _, hash := range hashesOf(key) {
		if checkSum(key, hash.id, hash.sum(message), signature) == nil {
			return nil
		}
	}
	return errSignature
}

// checkSum checks a signature over a hash of the message.
func checkSum(key crypto.PublicKey, hash crypto.Hash, sum, signature []byte) error {
	ok := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, sum, signature)
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(k, hash, sum, signature) == nil || rsa.VerifyPSS(k, hash, sum, signature, nil) == nil
	}
	if !ok {
		return errSignature
	}
	return nil
}
