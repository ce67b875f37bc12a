package helm

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/render/decrypt"
)

// encryptedFile returns a file that SOPS encrypted, and what decrypts it.
func encryptedFile(t *testing.T) ([]byte, *decrypt.Decrypter) {
	t.Helper()
	content, err := os.ReadFile("../decrypt/testdata/all.yaml.enc")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("../decrypt/testdata/keys/age.agekey")
	if err != nil {
		t.Fatal(err)
	}
	return content, decrypt.New(decrypt.Secret{Name: "apps/keys", Data: map[string][]byte{"age.agekey": key}}, decrypt.Access{})
}

const fromFleet = "sourceRef: {kind: GitRepository, name: fleet}, "

// fleet opens a source of that name, and no other.
func fleet(files fstest.MapFS) OpenSource {
	return func(_ context.Context, ref v1.CrossNamespaceSourceReference) (fs.FS, error) {
		if ref.Name != "fleet" {
			return nil, errAway
		}
		return files, nil
	}
}

func TestValuesFiles(t *testing.T) {
	_, d := encryptedFile(t)
	c := chartOf(t, "-- values.yaml --\na: default\n-- values/edge.yaml --\na: edge\nb: {c: 1}\n-- list.yaml --\n[]\n")
	open := fleet(fstest.MapFS{"web.yaml": {Data: []byte("b: {d: 2}")}, "dir/x": {}})
	cases := map[string]struct{ annotation, want, err string }{
		"of the chart":          {`files: [{path: values/edge.yaml}]`, `{a: edge, b: {c: 1}}`, ""},
		"and of a source":       {`files: [{path: values/edge.yaml}, {` + fromFleet + `path: ./web.yaml}]`, `{a: edge, b: {c: 1, d: 2}}`, ""},
		"optional":              {`files: [{path: none.yaml, optional: true}, {` + fromFleet + `path: none, optional: true}]`, `{}`, ""},
		"missing":               {`files: [{path: none.yaml}]`, "", "unusable values: files[0]: none.yaml: no such file"},
		"missing in a source":   {`files: [{` + fromFleet + `path: none.yaml}]`, "", "unusable values: files[0]: none.yaml: no such file"},
		"a folder":              {`files: [{` + fromFleet + `path: dir}]`, "", "unusable values: dir is no regular file"},
		"no map":                {`files: [{path: list.yaml}]`, "", "unusable values: files[0]: list.yaml: not a map in YAML"},
		"a source that is away": {`files: [{sourceRef: {kind: Bucket, name: x}, path: a}]`, "", "the server is away"},
		"outward":               {`files: [{path: a/../../b}]`, "", `unusable values: files[0].path: "a/../../b" leads out of the artifact`},
		"absolute":              {`files: [{path: /etc/passwd}]`, "", `unusable values: files[0].path: "/etc/passwd" leads out of the artifact`},
		"no path":               {`files: [{}]`, "", "unusable values: files[0].path: required"},
		"a field of no meaning": {`file: [{}]`, "", `unusable values: error unmarshaling JSON: while decoding JSON: json: unknown field "file"`},
		"too many":              {`files: [` + strings.Repeat(`{path: a},`, 33) + `]`, "", "unusable values: 33 files are more than 32"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			v, err := ParseValuesFiles(tc.annotation)
			var got map[string]any
			if err == nil {
				got, err = v.Read(t.Context(), c, open, d)
			}
			if (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(plainJSON(t, merge(nil, values(t, tc.want))), plainJSON(t, merge(nil, got))); err == nil && diff != "" {
				t.Errorf("-want +got: %s", diff)
			}
		})
	}
}

func TestEncryptedValuesFiles(t *testing.T) {
	encrypted, d := encryptedFile(t)
	open := fleet(fstest.MapFS{"secret.enc.yaml": {Data: encrypted}})
	c := chartOf(t, "-- secret.enc.yaml --\n"+string(encrypted))
	for name, annotation := range map[string]string{
		"of a source":  "decryption: {provider: sops, secretRef: {name: keys}}\nfiles: [{" + fromFleet + "path: secret.enc.yaml}]",
		"of the chart": "decryption: {provider: sops, secretRef: {name: keys}}\nfiles: [{path: secret.enc.yaml}]",
	} {
		t.Run(name, func(t *testing.T) {
			v, err := ParseValuesFiles(annotation)
			if err != nil || v.Decryption.Provider != "sops" || v.Decryption.SecretRef.Name != "keys" {
				t.Fatalf("got %+v, %v", v, err)
			}
			got, err := v.Read(t.Context(), c, open, d)
			if err != nil || got["sops"] != nil || len(got) == 0 || strings.Contains(plainJSON(t, got), "ENC[") {
				t.Errorf("got %v, %v", got, err)
			}
			nobody := decrypt.New(decrypt.Secret{}, decrypt.Access{})
			if _, err := v.Read(t.Context(), c, open, nobody); !errors.Is(err, ErrValues) || !strings.Contains(err.Error(), "files[0]: secret.enc.yaml") {
				t.Errorf("without keys: got %v", err)
			}
		})
	}
}
