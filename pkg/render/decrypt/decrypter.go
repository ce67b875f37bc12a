package decrypt

import (
	"context"
	"fmt"
	"sync"
)

// maxFile is how many bytes an encrypted file may have.
const maxFile = 5 << 20

// Decrypter decrypts for one object with its keys. It is for one build; it may be
// used from several goroutines.
type Decrypter struct {
	secret Secret
	access Access
	read   func() (keys, error)
}

// New returns a decrypter with the keys of a Secret, which are read when they are
// needed, and with access to key services.
func New(s Secret, a Access) *Decrypter {
	return &Decrypter{secret: s, access: a, read: sync.OnceValues(s.read)}
}

// Check reads the keys and says what is wrong with them, if anything is.
func (d *Decrypter) Check() error {
	_, err := d.read()
	return err
}

// file decrypts a whole file. Whatever a malicious one does, it ends in an error.
func (d *Decrypter) file(ctx context.Context, content []byte, in, out format, verify bool) (plain []byte, err error) {
	defer func() {
		if recover() != nil { // what was recovered may be a value
			plain, err = nil, fmt.Errorf("failed to emit encrypted %s file as decrypted %s", in, out)
		}
	}()
	e, err := d.tree(ctx, content, in, verify)
	if err != nil {
		return nil, err
	}
	plain, err = out.emit(e.branches)
	if err != nil {
		return nil, fmt.Errorf("failed to emit encrypted %s file as decrypted %s: %w", in, out, err)
	}
	return plain, nil
}

// tree returns a file with its values decrypted.
func (d *Decrypter) tree(ctx context.Context, content []byte, f format, verify bool) (*envelope, error) {
	e, err := f.load(content)
	if err != nil {
		return nil, err
	}
	key, err := e.dataKey(ctx, d.use)
	if err != nil {
		return nil, err
	}
	return e, e.open(key, verify)
}

// use decrypts a data key with a master key.
func (d *Decrypter) use(ctx context.Context, k masterKey) ([]byte, error) {
	have, err := d.read()
	if err != nil {
		return nil, err
	}
	switch k.kind {
	case ageKey:
		return openAge(k.enc, have.age)
	case pgpKey:
		return openPGP(k.enc, have.pgp)
	}
	return d.access.open(ctx, k, have.credentials)
}
