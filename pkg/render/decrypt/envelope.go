package decrypt

import (
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"
	"unicode"
)

// ErrMAC says that a file is not as SOPS left it: something was added, removed, moved
// or changed.
var ErrMAC = errors.New("failed to verify sops data integrity: the MAC does not match")

// envelope is an encrypted file.
type envelope struct {
	branches []branch
	rules    rules
	groups   [][]masterKey
	// threshold is how many groups are needed where there are several.
	threshold int

	mac          string
	modified     time.Time
	onlyMACsOurs bool // the MAC is over encrypted leaves alone
}

// newEnvelope returns the file with the given metadata.
func newEnvelope(branches []branch, metadata branch) (*envelope, error) {
	m, _ := plain(metadata).(map[string]any)
	f := fields(m)
	e := &envelope{
		branches: branches, mac: f.text("mac"), threshold: f.number("shamir_threshold"),
		onlyMACsOurs: f.flag("mac_only_encrypted"),
	}
	var err error
	if e.modified, err = f.time("lastmodified"); err != nil {
		return nil, err
	}
	if e.rules, err = newRules(f); err != nil {
		return nil, err
	}
	e.groups, err = keyGroups(f)
	return e, err
}

// macOnlyEncryptedStart begins a MAC over encrypted leaves alone, so that it is never
// one over all of them. It is part of the format.
var macOnlyEncryptedStart, _ = hex.DecodeString("8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69")

// open decrypts every leaf in place. With verify it fails with [ErrMAC] on a file that
// is not as it was.
func (e *envelope) open(dataKey []byte, verify bool) error {
	o, err := newOpener(dataKey)
	if err != nil {
		return err
	}
	sum := sha512.New()
	if e.onlyMACsOurs {
		sum.Write(macOnlyEncryptedStart)
	}
	for _, b := range e.branches {
		if err := walk(b, nil, nil, func(v any, path []string, above [][]string) (any, error) {
			return e.leaf(o, sum, v, path, above)
		}); err != nil {
			return fmt.Errorf("error decrypting sops tree: %w", err)
		}
	}
	if !verify {
		return nil
	}
	return e.verify(o, sum)
}

// leaf decrypts one leaf or comment.
func (e *envelope) leaf(o opener, sum hash.Hash, v any, path []string, above [][]string) (any, error) {
	c, isComment := v.(comment)
	encrypted := e.rules.encrypted(path, above, isComment)
	if encrypted {
		text, isText := v.(string)
		var err error
		switch {
		case isComment:
			if v, err = o.open(c.text, pathString(path)); err != nil {
				v = c // old versions left comments as they were
			}
		case !isText:
			return nil, fmt.Errorf("%s: the value is not encrypted", shownPath(path))
		default:
			if v, err = o.open(text, pathString(path)); err != nil {
				return nil, fmt.Errorf("%s: %w", shownPath(path), err)
			}
		}
	}
	if _, ok := v.(comment); ok || e.onlyMACsOurs && !encrypted {
		return v, nil
	}
	bytes, err := macBytes(v)
	if err != nil {
		return nil, err
	}
	sum.Write(bytes)
	return v, nil
}

// shownPath is how messages name a leaf.
func shownPath(path []string) string {
	shown := make([]string, len(path))
	for i, name := range path {
		if shown[i] = "…"; plausible(name) {
			shown[i] = name
		}
	}
	return strings.Join(shown, ".")
}

// plausible says whether a part of a path may be shown: a damaged file may have a
// value where a name should be.
func plausible(name string) bool {
	return len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("_./-", r) && (r > 'z' || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
}

func (e *envelope) verify(o opener, sum hash.Hash) error {
	want, err := o.open(e.mac, e.modified.Format(time.RFC3339))
	if err != nil {
		return ErrMAC
	}
	text, _ := want.(string)
	got := strings.ToUpper(hex.EncodeToString(sum.Sum(nil)))
	if subtle.ConstantTimeCompare([]byte(text), []byte(got)) != 1 {
		return ErrMAC
	}
	return nil
}
