package decrypt

import (
	"errors"
	"fmt"
	"slices"
)

// keyType is what somebody needs to have in order to use a master key. The constants
// are in the order in which keys are tried.
type keyType int

const (
	ageKey keyType = iota
	pgpKey
	awsKey
	gcpKey
	huaweiKey
	azureKey
	vaultKey
)

// masterKey is one of the keys that a data key is encrypted with.
type masterKey struct {
	kind keyType
	// id names the key: recipient, fingerprint, ARN, resource, or the name of the key.
	id string
	// enc is the data key, in the form of the kind.
	enc string

	role    string            // AWS: to be assumed
	context map[string]string // AWS: what the data key is bound to
	url     string            // Azure and Vault: of the server
	version string            // Azure: of the key
	engine  string            // Vault: path of the engine
}

// String is how messages name a key.
func (k masterKey) String() string {
	switch k.kind {
	case pgpKey:
		return "PGP key " + k.id
	case azureKey:
		return k.url + "/keys/" + k.id + "/" + k.version
	case vaultKey:
		return k.url + "/v1/" + k.engine + "/keys/" + k.id
	}
	return k.id
}

// maxMasterKeys is how many master keys one file may have.
const maxMasterKeys = 256

//lint:ignore ST1005 the text is what people and tools know
var errNoKeys = errors.New("No keys found in file")

// keyGroups reads the master keys from metadata: one group, or a list of groups.
func keyGroups(m fields) ([][]masterKey, error) {
	groups := [][]masterKey{group(m)}
	if len(groups[0]) == 0 {
		groups = nil
		for _, g := range m.list("key_groups") {
			groups = append(groups, group(g))
		}
	}
	count := 0
	for _, g := range groups {
		count += len(g)
	}
	switch {
	case count == 0:
		return nil, errNoKeys
	case count > maxMasterKeys:
		return nil, fmt.Errorf("%w: it has more than %d keys", ErrLimit, maxMasterKeys)
	}
	return groups, nil
}

// group reads the keys of one group in the order in which they are tried.
func group(m fields) []masterKey {
	var keys []masterKey
	add := func(list string, read func(fields) masterKey) {
		for _, f := range m.list(list) {
			k := read(f)
			k.enc = f.text("enc")
			keys = append(keys, k)
		}
	}
	add("kms", func(f fields) masterKey {
		return masterKey{kind: awsKey, id: f.text("arn"), role: f.text("role"), context: f.texts("context")}
	})
	add("gcp_kms", func(f fields) masterKey { return masterKey{kind: gcpKey, id: f.text("resource_id")} })
	add("hckms", func(f fields) masterKey { return masterKey{kind: huaweiKey, id: f.text("key_id")} })
	add("azure_kv", func(f fields) masterKey {
		return masterKey{kind: azureKey, id: f.text("name"), url: f.text("vault_url"), version: f.text("version")}
	})
	add("hc_vault", func(f fields) masterKey {
		return masterKey{kind: vaultKey, id: f.text("key_name"), url: f.text("vault_address"), engine: f.text("engine_path")}
	})
	add("pgp", func(f fields) masterKey { return masterKey{kind: pgpKey, id: f.text("fp")} })
	add("age", func(f fields) masterKey { return masterKey{kind: ageKey, id: f.text("recipient")} })
	slices.SortStableFunc(keys, func(a, b masterKey) int { return rank(a.kind) - rank(b.kind) })
	return keys
}

// rank puts the keys that are at hand before those of services.
func rank(k keyType) int { return int(min(k, awsKey)) }
