package decrypt

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const marker = "kustomize.toolkit.fluxcd.io/decrypt"

// encryptedObject is an object as a build leaves it: with a label that SOPS has not
// seen, and with its keys in order.
func encryptedObject(t *testing.T, metadata map[string]any) []byte {
	t.Helper()
	var obj map[string]any
	if err := yaml.Unmarshal(golden(t, "regex.yaml.enc"), &obj); err != nil {
		t.Fatal(err)
	}
	obj["metadata"] = metadata
	text, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestObjects(t *testing.T) {
	cases := map[string]struct {
		metadata map[string]any
		kept     bool
	}{
		"changed by the build":           {metadata: map[string]any{"name": "app", "labels": map[string]any{"new": "label"}}},
		"marked":                         {map[string]any{"name": "app", "annotations": map[string]any{marker: "Disabled"}}, true},
		"marked with something else":     {map[string]any{"name": "app", "annotations": map[string]any{marker: "enabled"}}, false},
		"marked by a label, which is no": {map[string]any{"name": "app", "labels": map[string]any{marker: "disabled"}}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := encryptedObject(t, c.metadata)
			out, err := with(t).Edit(marker)(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			if c.kept {
				if string(out) != string(in) {
					t.Error("it was changed")
				}
				return
			}
			var obj struct {
				StringData map[string]any
				SOPS       any
				Metadata   map[string]any
			}
			if err := json.Unmarshal(out, &obj); err != nil {
				t.Fatal(err)
			}
			if obj.StringData["password"] != "hunter2" || obj.SOPS != nil || obj.Metadata["name"] != "app" || strings.Contains(string(out), "\n") {
				t.Errorf("got %s", out)
			}
		})
	}
}

func secretWith(entries map[string]string) []byte {
	text, _ := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s", "namespace": "apps"}, "data": entries,
	})
	return text
}

func TestEntries(t *testing.T) {
	encoded := func(name string) string { return base64.StdEncoding.EncodeToString(golden(t, name)) }
	cases := map[string]struct{ key, in, out string }{
		"YAML":                              {"a.yaml", encoded("all.yaml.enc"), encoded("all.yaml.plain")},
		"JSON":                              {"a.json", encoded("all.json.enc"), encoded("all.json.plain")},
		"binary":                            {"a", encoded("all.bin.enc"), encoded("all.bin.plain")},
		"dotenv":                            {"a.env", encoded("all.env.enc"), encoded("all.env.plain")},
		"INI":                               {"a.ini", encoded("all.ini.enc"), encoded("all.ini.plain")},
		"a login for registries":            {".dockerconfigjson", encoded("config.dockerconfigjson.enc"), encoded("config.dockerconfigjson.plain")},
		"plain text":                        {"a.yaml", "YTogYg==", "YTogYg=="},
		"no base64":                         {"a.yaml", "mac: ENC[", "mac: ENC["},
		"a key that ends in another format": {"a.env", encoded("pgp.yaml.enc"), base64.StdEncoding.EncodeToString([]byte("a=b\n"))},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := with(t).Edit(marker)(context.Background(), secretWith(map[string]string{c.key: c.in, "other": "eA=="}))
			if err != nil {
				t.Fatal(err)
			}
			var secret struct{ Data map[string]string }
			if err := json.Unmarshal(out, &secret); err != nil || secret.Data[c.key] != c.out || secret.Data["other"] != "eA==" {
				t.Errorf("got %s, %v", out, err)
			}
		})
	}
}

func TestObjectsThatAreLeftAlone(t *testing.T) {
	for name, text := range map[string]string{
		"a plain object":           `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"b"}}`,
		"a plain Secret":           `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"a":"Yg=="}}`,
		"a Secret without data":    `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}`,
		"metadata without a MAC":   `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"sops":{"version":"3"}}`,
		"empty metadata":           `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"sops":{}}`,
		"another kind's data":      `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"bWFjOiBFTkNb"}}`,
		"data that are no mapping": `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":["bWFjOiBFTkNb"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			out, err := New(Secret{}, Access{}).Edit(marker)(context.Background(), []byte(text))
			if err != nil || string(out) != text {
				t.Errorf("got %s, %v", out, err)
			}
		})
	}
}

func TestObjectsThatFail(t *testing.T) {
	damaged := string(encryptedObject(t, map[string]any{"name": "app", "namespace": "apps"}))
	damaged = strings.Replace(damaged, `"password":"ENC[AES256_GCM,data:`, `"password":"ENC[AES256_GCM,data:AAAA`, 1)
	stripped := strings.Replace(damaged, `"password":"ENC[`, `"password":"hunter2","was":"ENC[`, 1)
	mac := edit(t, golden(t, "all.env.enc"), "OPEN_unencrypted=readable", "OPEN_unencrypted=other")
	cases := map[string]struct {
		d        *Decrypter
		document string
		want     string
	}{
		"the wrong key": {
			with(t, "other.agekey"), string(encryptedObject(t, map[string]any{"name": "app", "namespace": "apps"})),
			"decryption failed for 'Secret.v1.[noGrp]/app': failed to decrypt and format 'apps/app' Secret data: cannot get sops data key: age1",
		},
		"no key": {
			New(Secret{}, Access{}), string(encryptedObject(t, map[string]any{"name": "app", "namespace": "apps"})),
			"decryption failed for 'Secret.v1.[noGrp]/app': failed to decrypt and format 'apps/app' Secret data: cannot get sops data key: age1",
		},
		"a damaged value": {
			with(t), damaged, "decryption failed for 'Secret.v1.[noGrp]/app': failed to decrypt and format 'apps/app' Secret data: " +
				"error decrypting sops tree: stringData.password: a value is damaged",
		},
		"a value that is plain": {
			with(t), stripped, "decryption failed for 'Secret.v1.[noGrp]/app': failed to decrypt and format 'apps/app' Secret data: " +
				"error decrypting sops tree: stringData.password: Input string <redacted> does not match sops' data format",
		},
		"an entry with a damaged MAC": {
			with(t), string(secretWith(map[string]string{"a.env": base64.StdEncoding.EncodeToString(mac)})),
			"decryption failed for 'Secret.v1.[noGrp]/s': failed to decrypt and format 'apps/s' Secret field 'a.env': failed to verify sops data integrity",
		},
		"an entry that cannot have the format": {
			with(t), string(secretWith(map[string]string{"a.env": base64.StdEncoding.EncodeToString(golden(t, "all.json.enc"))})),
			"decryption failed for 'Secret.v1.[noGrp]/s': failed to decrypt and format 'apps/s' Secret field 'a.env': " +
				"failed to emit encrypted JSON file as decrypted dotenv: cannot use complex value in dotenv file; offending key data",
		},
		"an entry without text": {
			with(t), string(secretWith(map[string]string{"a": base64.StdEncoding.EncodeToString(golden(t, "all.yaml.enc"))})),
			"decryption failed for 'Secret.v1.[noGrp]/s': failed to decrypt and format 'apps/s' Secret field 'a': " +
				"failed to emit encrypted YAML file as decrypted binary: error emitting binary store",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := c.d.Edit(marker)(context.Background(), []byte(c.document))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %s, %v, want %s", out, err, c.want)
			}
			discreet(t, err)
		})
	}
}

// What comes out is the same every time, or every run would change the cluster.
func TestObjectsAreStable(t *testing.T) {
	in := encryptedObject(t, map[string]any{"name": "app"})
	seen := map[string]bool{}
	for range 5 {
		out, err := with(t).Edit(marker)(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(out)] = true
	}
	if len(seen) != 1 {
		t.Errorf("got %d results", len(seen))
	}
}
