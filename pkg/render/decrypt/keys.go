package decrypt

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"path"
	"slices"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/fluxd/fluxd/pkg/render"
)

// Names of the entries of a Secret with keys: endings of those of which there may be
// several, and credentials of key services.
const (
	ageEnding = ".agekey"
	pgpEnding = ".asc"

	vaultEntry = "sops.vault-token"
	awsEntry   = "sops.aws-kms"
	azureEntry = "sops.azure-kv"
	gcpEntry   = "sops.gcp-kms"
)

// Secret is the data of a Secret with keys.
type Secret struct {
	// Name is how messages name it: namespace/name.
	Name string
	Data map[string][]byte
	// OnlyAge leaves out everything but age keys, as is due to a Secret that objects
	// of all namespaces use.
	OnlyAge bool
}

// relevant returns the names of the entries that matter, in order.
func (s Secret) relevant() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Data)) {
		switch {
		case path.Ext(name) == ageEnding:
		case s.OnlyAge:
			continue
		case path.Ext(name) == pgpEnding:
		case name == vaultEntry, name == awsEntry, name == azureEntry, name == gcpEntry:
		default:
			continue
		}
		names = append(names, name)
	}
	return names
}

// Inputs digests the keys: a build with other keys is another build.
func (s Secret) Inputs() render.Inputs {
	h := sha256.New()
	var size [8]byte
	for _, name := range s.relevant() {
		for _, part := range [][]byte{[]byte(name), s.Data[name]} {
			binary.BigEndian.PutUint64(size[:], uint64(len(part)))
			h.Write(size[:])
			h.Write(part)
		}
	}
	return render.Inputs(h.Sum(nil))
}

// keys are what a Secret holds.
type keys struct {
	age         []age.Identity
	pgp         openpgp.EntityList
	credentials credentials
}

// read reads the entries of s. Errors name the entry and show nothing of it.
func (s Secret) read() (keys, error) {
	var k keys
	for _, name := range s.relevant() {
		if err := k.add(name, s.Data[name]); err != nil {
			return k, fmt.Errorf("failed to import '%s' data from sops decryption Secret '%s': %w", name, s.Name, err)
		}
	}
	return k, nil
}

func (k *keys) add(name string, value []byte) error {
	switch path.Ext(name) {
	case ageEnding:
		identities, err := ageIdentities(string(value))
		k.age = append(k.age, identities...)
		return err
	case pgpEnding:
		ring, err := pgpKeyring(value)
		k.pgp = append(k.pgp, ring...)
		return err
	}
	return k.credentials.add(name, value)
}
