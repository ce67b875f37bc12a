package sops

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/render/decrypt"
	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files that the tests of pkg/render/decrypt read")

const golden = "../../pkg/render/decrypt/testdata"

type ruleSet struct {
	unencryptedSuffix, encryptedSuffix, unencryptedRegex, encryptedRegex string
	unencryptedCommentRegex, encryptedCommentRegex                       string
}

// fileCase is a file and how it is encrypted.
type fileCase struct {
	name      string // of the file, which has its format
	format    formats.Format
	text      string
	groups    [][]string // of keys; age alone if nil
	threshold int
	rules     ruleSet
	macOnly   bool
}

const yamlText = `# a comment at the top
apiVersion: v1 # behind a value

# before a key
kind: Secret
metadata:
  name: app # a name
  labels: {tier: web, "quoted": 'single'}
stringData:
  # in a mapping
  password: hunter2
  empty: ""
  multi: |
    line 1
    line 2
  folded: >-
    one
    two
  long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccccccccccccccccccccccccccccccccc
  unicode: "héllo ☃ \t \u0001"
  looks_like_number: "123"
  plain_unencrypted: readable
numbers: [1, -2, 3.5, 1e10, 0x1F, 0o17, 9007199254740993]
booleans: [true, false, yes]
nothing: null
tilde: ~
date: 2024-05-06
time: 2024-05-06T07:08:09.123Z
list:
  # before an element
  - a
  - b # behind an element
  -
    nested: {deep: [x, [y, z]]}
  # at the end of a list
base: &base
  key: value
derived: *base
empty_map: {}
empty_list: []
# at the end
`

const jsonText = `{"apiVersion":"v1","kind":"Secret","data":{"a":"aHVudGVyMg==","b":"<&>"},"n":[1,2.5,1e3,true,null,"x"],
"big":9007199254740993,"empty":{},"list":[],"open_unencrypted":"readable","deep":{"a":{"b":[{"c":"d"}]}}}`

const envText = "# a comment\nUSER=admin\nPASSWORD=hunter2=with=equals\n\nEMPTY=\nMULTI=a\\nb\nOPEN_unencrypted=readable\nQUOTED=\"x y\"\n"

const iniText = "; at the top\n[database]\nuser = admin\n; about the password\npassword = hunter2\nport = 5432\n\n[other]\nname = \"with spaces\"\n"

func fileCases() []fileCase {
	age := [][]string{{"age.agekey"}}
	cases := []fileCase{
		{name: "all.yaml", format: formats.Yaml, text: yamlText},
		{
			name: "secret.yaml", format: formats.Yaml, rules: ruleSet{encryptedRegex: "^(data|stringData)$"},
			text: "apiVersion: v1\nkind: Secret\nmetadata:\n    name: login\nstringData:\n    password: hunter2\n",
		},
		{name: "documents.yaml", format: formats.Yaml, text: "a: 1\n---\nb: two\n---\nc: [3]\n"},
		{name: "all.json", format: formats.Json, text: jsonText},
		{name: "all.env", format: formats.Dotenv, text: envText},
		{name: "all.ini", format: formats.Ini, text: iniText},
		{name: "all.bin", format: formats.Binary, text: "\x7fELF plain text, and\nlines: {\"a\": 1}\n"},
		{name: "config.dockerconfigjson", format: formats.Json, text: `{"auths":{"registry":{"username":"u","password":"p"}}}`},
		{name: "pq.yaml", format: formats.Yaml, text: "a: b\n", groups: [][]string{{"pq.agekey"}}},
		{name: "pgp.yaml", format: formats.Yaml, text: "a: b\n", groups: [][]string{{"pgp.asc"}}},
		{name: "pgp.env", format: formats.Dotenv, text: "A=b\n", groups: [][]string{{"pgp.asc", "age.agekey"}}},
		{name: "two.yaml", format: formats.Yaml, text: "a: b\n", groups: [][]string{{"other.agekey", "age.agekey"}}},
		{
			name: "groups.yaml", format: formats.Yaml, text: "a: b\n", threshold: 2,
			groups: [][]string{{"age.agekey"}, {"pgp.asc"}, {"other.agekey"}},
		},
		{
			name: "groups.env", format: formats.Dotenv, text: "A=b\n", threshold: 2, groups: [][]string{{"age.agekey"}, {"pq.agekey", "pgp.asc"}},
		},
		{name: "groups.ini", format: formats.Ini, text: "[a]\nb = c\n", threshold: 2, groups: [][]string{{"age.agekey"}, {"other.agekey"}}},
		{name: "maconly.yaml", format: formats.Yaml, text: yamlText, macOnly: true, rules: ruleSet{encryptedRegex: "^(data|stringData)$"}},
		{name: "maconly.env", format: formats.Dotenv, text: envText, macOnly: true, rules: ruleSet{encryptedRegex: "PASS"}},
		{name: "regex.yaml", format: formats.Yaml, text: yamlText, rules: ruleSet{encryptedRegex: "^(data|stringData)$"}},
		{name: "unregex.yaml", format: formats.Yaml, text: yamlText, rules: ruleSet{unencryptedRegex: "^(metadata|list)$"}},
		{name: "suffix.yaml", format: formats.Yaml, text: yamlText, rules: ruleSet{encryptedSuffix: "word"}},
		{name: "unsuffix.yaml", format: formats.Yaml, text: yamlText, rules: ruleSet{unencryptedSuffix: "list"}},
		{name: "comment.yaml", format: formats.Yaml, text: yamlText, rules: ruleSet{encryptedCommentRegex: "in a mapping|before an"}},
		{name: "uncomment.yaml", format: formats.Yaml, text: yamlText, rules: ruleSet{unencryptedCommentRegex: "in a mapping|before a key"}},
	}
	for i := range cases {
		if cases[i].groups == nil {
			cases[i].groups = age
		}
	}
	return cases
}

func TestFiles(t *testing.T) {
	k := newKeyring(t)
	entries := k.entries(t)
	d := decrypt.New(decrypt.Secret{Name: "a/b", Data: entries}, decrypt.Access{})
	for name, content := range entries {
		write(t, filepath.Join("keys", name), content)
	}
	for _, c := range fileCases() {
		t.Run(c.name, func(t *testing.T) {
			encrypted, want := k.encrypt(t, c)
			if bytes.Contains(encrypted, []byte("hunter2")) && c.rules == (ruleSet{}) {
				t.Fatal("the original did not encrypt")
			}
			if diff := cmp.Diff(string(want), string(decryptFile(t, d, c.name, encrypted))); diff != "" {
				t.Errorf("not what sops writes (-sops +fluxd): %s", diff)
			}
			write(t, c.name+".enc", encrypted)
			write(t, c.name+".plain", want)
		})
	}
}

// Entries of a Secret change their format when their key says so.
func TestConversions(t *testing.T) {
	k := newKeyring(t)
	d := decrypt.New(decrypt.Secret{Name: "a/b", Data: k.entries(t)}, decrypt.Access{})
	names := map[formats.Format]string{formats.Yaml: "f.yaml", formats.Json: "f.json", formats.Dotenv: "f.env", formats.Binary: "f"}
	for _, in := range []fileCase{
		{format: formats.Yaml, text: "# c\na: b\nn: 1\nf: 1.0\nt: true\nd: 2024-05-06\nz: null\n"},
		{format: formats.Json, text: `{"a":"b","n":1,"f":100000000000000000000.5,"t":true}`},
		{format: formats.Dotenv, text: "# c\nA=b\n"},
		{format: formats.Binary, text: "data"},
	} {
		in.groups = [][]string{{"age.agekey"}}
		encrypted, _ := k.encrypt(t, in)
		for _, out := range []formats.Format{formats.Yaml, formats.Json, formats.Dotenv} {
			t.Run(fmt.Sprintf("%s to %s", names[in.format], names[out]), func(t *testing.T) {
				want := decryptAsSops(t, encrypted, in.format, out, []byte("0123456789abcdef0123456789ABCDEF"))
				if diff := cmp.Diff(string(want), string(decryptEntry(t, d, names[out], encrypted))); diff != "" {
					t.Errorf("not what sops writes (-sops +fluxd): %s", diff)
				}
			})
		}
	}
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if !*update {
		return
	}
	path := filepath.Join(golden, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree is what a build reads.
type tree map[string][]byte

func (f tree) ReadFile(p string) ([]byte, error) {
	if content, ok := f[p]; ok {
		return content, nil
	}
	return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
}

func (f tree) WriteFile(p string, content []byte) error { f[p] = content; return nil }

func (f tree) Exists(p string) bool { _, ok := f[p]; return ok || f.IsDir(p) }

func (f tree) IsDir(p string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(f)), func(name string) bool { return strings.HasPrefix(name, p+"/") })
}

// decryptFile decrypts a file that a Secret is generated from.
func decryptFile(t *testing.T, d *decrypt.Decrypter, name string, encrypted []byte) []byte {
	t.Helper()
	files := tree{"/r/kustomization.yaml": []byte("secretGenerator: [{name: a, files: [" + name + "]}]"), "/r/" + name: encrypted}
	if err := d.Files(context.Background(), files, "/r", "/r"); err != nil {
		t.Fatal(err)
	}
	return files["/r/"+name]
}

// decryptEntry decrypts an entry of a Secret.
func decryptEntry(t *testing.T, d *decrypt.Decrypter, key string, encrypted []byte) []byte {
	t.Helper()
	document := fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{%q:%q}}`, key, base64.StdEncoding.EncodeToString(encrypted))
	out, err := d.Edit("decrypt")(context.Background(), []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	var secret struct{ Data map[string][]byte }
	if err := json.Unmarshal(out, &secret); err != nil {
		t.Fatal(err)
	}
	return secret.Data[key]
}
