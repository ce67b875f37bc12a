package decrypt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilesOfSops(t *testing.T) {
	names, err := filepath.Glob("testdata/*.enc")
	if err != nil || len(names) < 20 {
		t.Fatalf("there are %d files, %v", len(names), err)
	}
	d := with(t)
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".enc")
		t.Run(name, func(t *testing.T) {
			got, err := decrypted(d, name, golden(t, name+".enc"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden(t, name+".plain")), got); diff != "" {
				t.Errorf("(-sops +fluxd) %s", diff)
			}
		})
	}
}

func TestKeysThatAreNeeded(t *testing.T) {
	const none = "cannot get sops data key"
	cases := map[string]struct {
		file string
		keys []string
		err  string
	}{
		"the key":                           {file: "all.yaml", keys: []string{"age.agekey"}},
		"a hybrid key":                      {file: "pq.yaml", keys: []string{"pq.agekey"}},
		"an OpenPGP key":                    {file: "pgp.yaml", keys: []string{"pgp.asc"}},
		"either of two kinds, the first":    {file: "pgp.env", keys: []string{"pgp.asc"}},
		"either of two kinds, the second":   {file: "pgp.env", keys: []string{"age.agekey"}},
		"the first of two":                  {file: "two.yaml", keys: []string{"other.agekey"}},
		"the second of two":                 {file: "two.yaml", keys: []string{"age.agekey"}},
		"one that is of no use beside it":   {file: "all.yaml", keys: []string{"other.agekey", "pgp.asc", "age.agekey"}},
		"two groups of three":               {file: "groups.yaml", keys: []string{"pgp.asc", "other.agekey"}},
		"all groups":                        {file: "groups.yaml", keys: []string{"pgp.asc", "other.agekey", "age.agekey"}},
		"one group of three":                {file: "groups.yaml", keys: []string{"pgp.asc"}, err: none + ": group 1: age1"},
		"a key for something else":          {file: "all.yaml", keys: []string{"other.agekey"}, err: "no identity matched any of the recipients"},
		"an OpenPGP key for something else": {file: "pgp.yaml", keys: []string{"age.agekey"}, err: "there is no OpenPGP private key for it"},
		"no key of the kind":                {file: "all.yaml", keys: []string{"pgp.asc"}, err: "there is no age identity"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := decrypted(with(t, c.keys...), c.file, golden(t, c.file+".enc"))
			discreet(t, err)
			switch {
			case c.err == "" && (err != nil || got != string(golden(t, c.file+".plain"))):
				t.Errorf("got %q, %v", got, err)
			case c.err != "" && (!errors.Is(err, ErrDataKey) || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), "error decrypting sources: "+c.file+": ")):
				t.Errorf("got %v, want an error with %q", err, c.err)
			}
		})
	}
}

// edit replaces text in a file and fails if it is not there.
func edit(t *testing.T, content []byte, old, replacement string) []byte {
	t.Helper()
	if !strings.Contains(string(content), old) {
		t.Fatalf("there is no %q", old)
	}
	return []byte(strings.Replace(string(content), old, replacement, 1))
}

func TestDamage(t *testing.T) {
	line := func(content []byte, prefix string) string {
		for l := range strings.Lines(string(content)) {
			if strings.HasPrefix(l, prefix) {
				return l
			}
		}
		t.Fatalf("there is no line %q", prefix)
		return ""
	}
	cases := map[string]struct {
		file string
		edit func(t *testing.T, content []byte) []byte
		want error
	}{
		"something is added": {"all.env", func(t *testing.T, c []byte) []byte { return append([]byte("NEW_unencrypted=x\n"), c...) }, ErrMAC},
		"something is gone":  {"all.env", func(t *testing.T, c []byte) []byte { return edit(t, c, line(c, "PASSWORD="), "") }, ErrMAC},
		"something open is changed": {"all.env", func(t *testing.T, c []byte) []byte {
			return edit(t, c, "OPEN_unencrypted=readable", "OPEN_unencrypted=other")
		}, ErrMAC},
		"the order is another": {"all.env", func(t *testing.T, c []byte) []byte {
			return append([]byte(line(c, "USER=")), edit(t, c, line(c, "USER="), "")...)
		}, nil}, // it was the first
		"two lines change places": {"all.env", func(t *testing.T, c []byte) []byte {
			user, password := line(c, "USER="), line(c, "PASSWORD=")
			return edit(t, c, user+password, password+user)
		}, ErrMAC},
		"a value is moved to another key": {"all.env", func(t *testing.T, c []byte) []byte { return edit(t, c, "PASSWORD=ENC", "OTHER=ENC") }, errSealed},
		"a value is plain text":           {"all.env", func(t *testing.T, c []byte) []byte { return edit(t, c, line(c, "PASSWORD="), "PASSWORD=hunter2\n") }, errNotSealed},
		"the time of the MAC is another":  {"all.env", func(t *testing.T, c []byte) []byte { return edit(t, c, "sops_lastmodified=20", "sops_lastmodified=19") }, ErrMAC},
		"the MAC is gone":                 {"all.yaml", func(t *testing.T, c []byte) []byte { return edit(t, c, "mac: ENC", "mac: ''\n    was_mac: ENC") }, ErrMAC},
		"the MAC is of another kind":      {"maconly.env", func(t *testing.T, c []byte) []byte { return edit(t, c, "sops_mac_only_encrypted=true", "sops_x=1") }, ErrMAC},
		"the rule is another": {"regex.yaml", func(t *testing.T, c []byte) []byte {
			return edit(t, c, "encrypted_regex: ^(data|stringData)$", "encrypted_regex: ^none$")
		}, ErrMAC},
		"the metadata is gone": {"all.env", func(t *testing.T, c []byte) []byte {
			return []byte("A=sops_mac=ENC[\n")
		}, errNoMetadata},
		"the keys are gone":       {"all.yaml", func(t *testing.T, c []byte) []byte { return edit(t, c, "    age:", "    other:") }, errNoKeys},
		"the data key is another": {"all.yaml", func(t *testing.T, c []byte) []byte { return edit(t, c, "-----BEGIN AGE", "-----BEGIN AG") }, ErrDataKey},
	}
	d := with(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			content := c.edit(t, golden(t, c.file+".enc"))
			got, err := decrypted(d, c.file, content)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err != nil && got != string(content) {
				t.Error("something was written")
			}
			discreet(t, err)
		})
	}
}

// A file of which any byte was changed fails, or is the same as before. It never
// makes the process fail, and no error shows what is in it.
func TestAnyDamage(t *testing.T) {
	d := with(t, "age.agekey")
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"all.json", "all.env", "all.bin", "all.yaml", "all.ini"} {
		content, plain := golden(t, name+".enc"), string(golden(t, name+".plain"))
		failed := 0
		for range 400 {
			damaged := append([]byte(nil), content...)
			damaged[random.IntN(len(damaged))] = byte(random.IntN(256))
			got, err := decrypted(d, name, damaged)
			discreet(t, err)
			// Comments, and the names of what is not encrypted, are not under the MAC.
			if err == nil && got != plain && got != string(damaged) && name == "all.bin" {
				t.Fatalf("%s: damage made it %q", name, got)
			}
			if err != nil {
				failed++
			}
		}
		if failed < 100 {
			t.Errorf("%s: of 400 files, %d failed", name, failed)
		}
	}
}

func TestHostileFiles(t *testing.T) {
	meta := "\nsops:\n  lastmodified: '2024-01-01T00:00:00Z'\n  mac: ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]\n  age: [{recipient: a, enc: b}]\n"
	many := func(n int, s string) string { return strings.Repeat(s, n) }
	cases := map[string]struct {
		name, text string
		want       error
	}{
		"aliases that multiply": {
			"f.yaml", "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
				"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]" + meta, nil,
		},
		"an alias of itself, in another document": {"f.yaml", "x: 1" + meta + "---\na: &a [*a]\n", ErrLimit},
		"deep YAML":                     {"f.yaml", "a: " + many(1000, "[") + many(1000, "]") + meta, nil},
		"deep JSON":                     {"f.json", `{"mac": "ENC[","a":` + many(100_000, "[") + many(100_000, "]") + "}", ErrLimit},
		"many elements":                 {"f.json", `{"mac": "ENC[","a":[` + many(1_000_000, "1,") + "1]}", ErrLimit},
		"JSON that is no object":        {"f.json", `["mac": "ENC["]`, errJSON},
		"JSON that ends":                {"f.json", `{"mac": "ENC[","a":`, errJSON},
		"metadata that is no mapping":   {"f.json", `{"x":{"mac": "ENC["},"sops":1}`, errMetadata},
		"two metadata":                  {"f.json", `{"x":{"mac": "ENC["},"sops":{},"sops":{}}`, nil},
		"a document that is a list":     {"f.yaml", "- mac: ENC[\n", nil},
		"contradicting names":           {"f.env", "sops_mac=ENC[\nsops_mac__map_a=1\n", errFlat},
		"an element that is missing":    {"f.env", "sops_mac=ENC[\nsops_age__list_1__map_enc=1\n", errFlat},
		"an element with a huge number": {"f.env", "sops_mac=ENC[\nsops_age__list_99999999999__map_enc=1\n", errFlat},
		"a line without equals":         {"f.env", "sops_mac=ENC[\nhunter2\n", nil},
		"many keys":                     {"f.yaml", "sops:\n  lastmodified: '2024-01-01T00:00:00Z'\n  mac: ENC[\n  age:" + many(300, "\n  - {recipient: a, enc: b}"), ErrLimit},
		"two rules":                     {"f.yaml", "a: b" + meta + "  encrypted_regex: a\n  encrypted_suffix: b\n", nil},
		"a rule that is none":           {"f.yaml", "a: b" + meta + "  encrypted_regex: '['\n", nil},
		"a file that is too large":      {"f.yaml", many(maxFile+1, "x"), nil},
	}
	d := with(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := decrypted(d, c.name, []byte(c.text))
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			discreet(t, err)
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("the error has %d characters", len(err.Error()))
			}
		})
	}
}

func TestKeysThatCannotBeRead(t *testing.T) {
	const prefix = "failed to import '%s' data from sops decryption Secret 'apps/keys': "
	cases := map[string]struct{ name, text, want string }{
		"no identity":            {"a.agekey", "hunter2", "failed to parse and add to age identities: line 1: unknown identity type"},
		"a damaged identity":     {"a.agekey", "# x\nAGE-SECRET-KEY-1HUNTER2", "failed to parse and add to age identities: line 2: malformed secret key"},
		"a plugin":               {"a.agekey", "AGE-PLUGIN-YUBIKEY-1", "failed to parse and add to age identities: line 1: unknown identity type"},
		"no keyring":             {"a.asc", "hunter2", "it is not an OpenPGP keyring"},
		"a message":              {"a.asc", "-----BEGIN PGP MESSAGE-----\n\nyA==\n-----END PGP MESSAGE-----\n", "it is not an OpenPGP keyring"},
		"a keyring that is none": {"a.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\naHVudGVyMg==\n-----END PGP PRIVATE KEY BLOCK-----\n", "its keys cannot be read"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := New(Secret{Name: "apps/keys", Data: map[string][]byte{c.name: []byte(c.text)}}, Access{})
			err := d.Check()
			if want := fmt.Sprintf(prefix, c.name) + c.want; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
			discreet(t, err)
		})
	}
}

func TestSecretInputs(t *testing.T) {
	base := Secret{Name: "a/b", Data: map[string][]byte{"a.agekey": []byte("1"), "b.asc": []byte("2"), "other": []byte("3")}}
	same := Secret{Name: "a/c", Data: map[string][]byte{"a.agekey": []byte("1"), "b.asc": []byte("2"), "other": []byte("4")}}
	if base.Inputs() != same.Inputs() {
		t.Error("entries that are no keys change the inputs")
	}
	if (Secret{OnlyAge: true, Data: base.Data}).Inputs() == base.Inputs() {
		t.Error("keys that are left out do not change the inputs")
	}
	base.Data["a.agekey"] = []byte("2")
	if base.Inputs() == same.Inputs() {
		t.Error("another key does not change the inputs")
	}
}

// Of a Secret for everybody, only age keys are used.
func TestOnlyAge(t *testing.T) {
	s := with(t).secret
	s.OnlyAge = true
	d := New(s, Access{})
	if _, err := decrypted(d, "pq.yaml", golden(t, "pq.yaml.enc")); err != nil {
		t.Error(err)
	}
	if _, err := decrypted(d, "pgp.yaml", golden(t, "pgp.yaml.enc")); !errors.Is(err, ErrDataKey) {
		t.Errorf("got %v", err)
	}
}

func TestDecryptionStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	files := tree{"/r/kustomization.yaml": "secretGenerator: [{name: a, files: [all.yaml]}]", "/r/all.yaml": string(golden(t, "all.yaml.enc"))}
	if err := with(t).Files(ctx, files, "/r", "/r"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A secret that is split in parts comes back from as many as are needed.
func TestCombine(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		secret := make([]byte, 1+random.IntN(40))
		for i := range secret {
			secret[i] = byte(random.IntN(256))
		}
		threshold := 2 + random.IntN(4)
		parts := split(random, secret, threshold+random.IntN(3), threshold)
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		got, err := combine(parts[:threshold])
		if err != nil || string(got) != string(secret) {
			t.Fatalf("got %x, %v, want %x", got, err, secret)
		}
	}
	for name, parts := range map[string][][]byte{
		"the same part twice": {{1, 2, 3}, {1, 2, 3}}, "of two lengths": {{1, 2, 3}, {1, 2}},
		"empty": {{1}, {2}}, "the secret itself": {{1, 2, 0}, {1, 2, 1}},
	} {
		if _, err := combine(parts); !errors.Is(err, errParts) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func split(random *rand.Rand, secret []byte, n, threshold int) [][]byte {
	parts := make([][]byte, n)
	for _, b := range secret {
		polynomial := []byte{b}
		for range threshold - 1 {
			polynomial = append(polynomial, byte(random.IntN(256)))
		}
		for i := range parts {
			x, power, y := byte(i+1), byte(1), byte(0)
			for _, c := range polynomial {
				y ^= multiply(c, power)
				power = multiply(power, x)
			}
			parts[i] = append(parts[i], y)
		}
	}
	for i := range parts {
		parts[i] = append(parts[i], byte(i+1))
	}
	return parts
}
