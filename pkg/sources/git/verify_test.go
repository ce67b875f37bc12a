package git_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"io"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"golang.org/x/crypto/ssh"

	"github.com/fluxd/fluxd/pkg/sources/git"
)

// signer signs the encoded form of an object.
type signer func(t *testing.T, content []byte) string

func pgpSigner(t *testing.T) (signer, []byte) {
	t.Helper()
	entity, err := openpgp.NewEntity("Test", "", "test@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var public bytes.Buffer
	w, err := armor.Encode(&public, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(entity.Serialize(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, content []byte) string {
		var signature bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&signature, entity, bytes.NewReader(content), nil); err != nil {
			t.Fatal(err)
		}
		return signature.String() + "\n"
	}, public.Bytes()
}

func sshSigner(t *testing.T, namespace string) (signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, content []byte) string {
		sum := sha512.Sum512(content)
		signed := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Hash, Digest string }{namespace, "", "sha512", string(sum[:])})...)
		signature, err := key.Sign(rand.Reader, signed)
		if err != nil {
			t.Fatal(err)
		}
		body := append([]byte("SSHSIG"), ssh.Marshal(struct {
			Version                   uint32
			Key                       []byte
			Namespace, Reserved, Hash string
			Signature                 []byte
		}{1, key.PublicKey().Marshal(), namespace, "", "sha512", ssh.Marshal(signature)})...)
		return string(pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: body}))
	}, ssh.MarshalAuthorizedKey(key.PublicKey())
}

// sign replaces the head of main by the same commit with a signature, and tags
// it with a signed tag.
func (w *world) sign(t *testing.T, by signer) {
	t.Helper()
	r, err := gogit.PlainOpen(w.repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	head, err := r.Reference("refs/heads/main", true)
	if err != nil {
		t.Fatal(err)
	}
	commit, err := r.CommitObject(head.Hash())
	if err != nil {
		t.Fatal(err)
	}
	bare := r.Storer.NewEncodedObject()
	if err := commit.EncodeWithoutSignature(bare); err != nil {
		t.Fatal(err)
	}
	commit.PGPSignature = by(t, content(t, bare))
	id := store(t, r, commit)
	tag := &object.Tag{Name: "v1.0.0", Tagger: commit.Committer, Message: "release\n", TargetType: plumbing.CommitObject, Target: id}
	bare = r.Storer.NewEncodedObject()
	if err := tag.EncodeWithoutSignature(bare); err != nil {
		t.Fatal(err)
	}
	tag.PGPSignature = by(t, content(t, bare))
	for name, hash := range map[plumbing.ReferenceName]plumbing.Hash{"refs/heads/main": id, "refs/tags/v1.0.0": store(t, r, tag)} {
		if err := r.Storer.SetReference(plumbing.NewHashReference(name, hash)); err != nil {
			t.Fatal(err)
		}
	}
}

func content(t *testing.T, o plumbing.EncodedObject) []byte {
	t.Helper()
	r, err := o.Reader()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func store(t *testing.T, r *gogit.Repository, o interface {
	Encode(plumbing.EncodedObject) error
}) plumbing.Hash {
	t.Helper()
	encoded := r.Storer.NewEncodedObject()
	if err := o.Encode(encoded); err != nil {
		t.Fatal(err)
	}
	hash, err := r.Storer.SetEncodedObject(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestSignatures(t *testing.T) {
	pgp, pgpKey := pgpSigner(t)
	_, otherPGP := pgpSigner(t)
	sshSign, sshKey := sshSigner(t, "git")
	_, otherSSH := sshSigner(t, "git")
	forFiles, fileKey := sshSigner(t, "file")
	for name, tt := range map[string]struct {
		by   signer
		keys git.Keys
		want error
	}{
		"PGP, by a trusted key":     {pgp, git.Keys{PGP: [][]byte{otherPGP, pgpKey}}, nil},
		"PGP, by another key":       {pgp, git.Keys{PGP: [][]byte{otherPGP}}, git.ErrSignature},
		"PGP, with SSH keys only":   {pgp, git.Keys{SSH: [][]byte{sshKey}}, git.ErrSignature},
		"PGP, with garbage as key":  {pgp, git.Keys{PGP: [][]byte{[]byte("x")}}, git.ErrSignature},
		"SSH, by a trusted key":     {sshSign, git.Keys{SSH: [][]byte{append(otherSSH, sshKey...)}}, nil},
		"SSH, by another key":       {sshSign, git.Keys{SSH: [][]byte{otherSSH}}, git.ErrSignature},
		"SSH, made for another use": {forFiles, git.Keys{SSH: [][]byte{fileKey}}, git.ErrSignature},
		"no signature":              {nil, git.Keys{PGP: [][]byte{pgpKey}}, git.ErrUnsigned},
		"something else as signature": {func(*testing.T, []byte) string {
			return "-----BEGIN SIGNED MESSAGE-----\nx\n-----END SIGNED MESSAGE-----\n"
		},
			git.Keys{PGP: [][]byte{pgpKey}}, git.ErrSignature},
		"a signature of other content": {func(t *testing.T, c []byte) string { return pgp(t, append(c, 'x')) },
			git.Keys{PGP: [][]byte{pgpKey}}, git.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
			if tt.by != nil {
				w.sign(t, tt.by)
			} else if err := w.repo.Tag(t.Context(), "v1.0.0", "main", "unsigned"); err != nil {
				t.Fatal(err)
			}
			s, err := (&git.Remote{URL: w.server.RepoURL(w.repo)}).Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			head, err := s.Resolve(git.Ref{Tag: "v1.0.0"})
			if err != nil {
				t.Fatal(err)
			}
			c, err := s.Fetch(t.Context(), head)
			if err != nil {
				t.Fatal(err)
			}
			who, err := c.Verify(tt.keys)
			if !errors.Is(err, tt.want) || (err == nil) != (who != "") {
				t.Errorf("the commit: got %q, %v, want %v", who, err, tt.want)
			}
			who, err = c.VerifyTag(tt.keys)
			if !errors.Is(err, tt.want) || (err == nil) != (who != "") {
				t.Errorf("the tag: got %q, %v, want %v", who, err, tt.want)
			}
		})
	}
}
