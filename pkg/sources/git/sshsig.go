package git

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

// What OpenSSH writes around the content that it signs (PROTOCOL.sshsig).
const (
	sshsigMagic     = "SSHSIG"
	sshsigVersion   = 1
	sshsigNamespace = "git"
)

// sshSignature is a signature as ssh-keygen -Y sign makes it.
type sshSignature struct {
	key       ssh.PublicKey
	hash      string
	signature *ssh.Signature
}

func parseSSHSignature(armoured string) (*sshSignature, error) {
	malformed := errors.New("the SSH signature is malformed")
	block, _ := pem.Decode([]byte(armoured))
	if block == nil || len(block.Bytes) < len(sshsigMagic) || string(block.Bytes[:len(sshsigMagic)]) != sshsigMagic {
		return nil, malformed
	}
	var body struct {
		Version                   uint32
		Key                       []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}
	if err := ssh.Unmarshal(block.Bytes[len(sshsigMagic):], &body); err != nil || body.Version != sshsigVersion {
		return nil, malformed
	}
	if body.Namespace != sshsigNamespace {
		return nil, fmt.Errorf("the SSH signature is for %q, not for git", body.Namespace)
	}
	s := &sshSignature{hash: body.Hash, signature: &ssh.Signature{}}
	var err error
	if s.key, err = ssh.ParsePublicKey(body.Key); err != nil {
		return nil, malformed
	}
	if err := ssh.Unmarshal(body.Signature, s.signature); err != nil {
		return nil, malformed
	}
	return s, nil
}

// weak are the algorithms that OpenSSH refuses for signatures of this form.
var weak = []string{ssh.KeyAlgoRSA, "ssh-dss"}

// check says whether the signature is one of content.
func (s *sshSignature) check(content []byte) error {
	if slices.Contains(weak, s.signature.Format) {
		return fmt.Errorf("the signature algorithm %s is too weak", s.signature.Format)
	}
	signed, err := sshsigSigned(s.hash, content)
	if err != nil {
		return err
	}
	if err := s.key.Verify(signed, s.signature); err != nil {
		return errors.New("the signature does not fit the content")
	}
	return nil
}

// sshsigSigned returns what of content is signed, with a hash.
func sshsigSigned(hash string, content []byte) ([]byte, error) {
	var digest []byte
	switch hash {
	case "sha256":
		sum := sha256.Sum256(content)
		digest = sum[:]
	case "sha512":
		sum := sha512.Sum512(content)
		digest = sum[:]
	default:
		return nil, fmt.Errorf("the hash %q is none of sha256, sha512", hash)
	}
	return append([]byte(sshsigMagic), ssh.Marshal(struct{ Namespace, Reserved, Hash, Digest string }{
		sshsigNamespace, "", hash, string(digest),
	})...), nil
}
