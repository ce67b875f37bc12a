package decrypt

import (
	"strings"
	"testing"
)

func TestFile(t *testing.T) {
	encrypted, plain := golden(t, "all.yaml.enc"), golden(t, "all.yaml.plain")
	for name, c := range map[string]struct {
		file          string
		content, want []byte
		keys          []string
		err           string
	}{
		"encrypted":                    {"values/edge.enc.yaml", encrypted, plain, nil, ""},
		"plain":                        {"a.yaml", []byte("a: b\n"), []byte("a: b\n"), nil, ""},
		"encrypted in another format":  {"a.json", encrypted, encrypted, nil, ""},
		"without the keys":             {"a.yaml", encrypted, nil, []string{}, "error decrypting the file"},
		"changed since it was written": {"a.yaml", []byte(strings.Replace(string(encrypted), "mac: ENC[AES256_GCM,data:", "mac: ENC[AES256_GCM,data:AAAA", 1)), nil, nil, "error decrypting the file"},
		"too large":                    {"a.yaml", append(encrypted[:len(encrypted):len(encrypted)], make([]byte, maxFile)...), nil, nil, "cannot decrypt file with size"},
	} {
		t.Run(name, func(t *testing.T) {
			d := with(t)
			if c.keys != nil {
				d = New(Secret{Name: "apps/none"}, Access{})
			}
			got, err := d.File(t.Context(), c.file, c.content)
			discreet(t, err)
			if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Fatalf("got %v, want %q", err, c.err)
			}
			if err == nil && string(got) != string(c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}
