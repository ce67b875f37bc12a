package decrypt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// maxDataKey bounds a decrypted data key, in bytes.
const maxDataKey = 1 << 10

// ageIdentities reads a file of age identities, one a line. Errors name the line.
func ageIdentities(file string) ([]age.Identity, error) {
	var identities []age.Identity
	scanner := bufio.NewScanner(strings.NewReader(file))
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		identity, err := ageIdentity(line)
		if err != nil {
			return nil, fmt.Errorf("failed to parse and add to age identities: line %d: %w", n, err)
		}
		identities = append(identities, identity)
	}
	if scanner.Err() != nil {
		return nil, errors.New("failed to parse and add to age identities: a line is too long")
	}
	return identities, nil
}

func ageIdentity(line string) (age.Identity, error) {
	var identity age.Identity
	var err error
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		identity, err = age.ParseHybridIdentity(line)
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		identity, err = age.ParseX25519Identity(line)
	default:
		return nil, errors.New("unknown identity type")
	}
	if err != nil {
		return nil, errors.New("malformed secret key") // the parser may quote it
	}
	return identity, nil
}

var errNoIdentity = errors.New("there is no age identity")

// openAge decrypts a data key with whichever identity it is for.
func openAge(enc string, identities []age.Identity) ([]byte, error) {
	if len(identities) == 0 {
		return nil, errNoIdentity
	}
	plain, err := age.Decrypt(armor.NewReader(strings.NewReader(enc)), identities...)
	if _, none := errors.AsType[*age.NoIdentityMatchError](err); none {
		return nil, errors.New("no identity matched any of the recipients")
	}
	if err != nil {
		return nil, errors.New("the encrypted data key is damaged")
	}
	key, err := io.ReadAll(io.LimitReader(plain, maxDataKey))
	if err != nil {
		return nil, errors.New("the encrypted data key is damaged")
	}
	return key, nil
}
