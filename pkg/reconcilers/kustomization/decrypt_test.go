package kustomization

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/fault"
)

// sopsFile returns a file that the sops packages encrypted.
func sopsFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../../render/decrypt/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// encrypted makes the world one with an encrypted Secret, and with a file from which
// kustomize would generate one.
func (w *world) encrypted(secretRef string) {
	w.t.Helper()
	var obj map[string]any
	if err := yaml.Unmarshal([]byte(sopsFile(w.t, "regex.yaml.enc")), &obj); err != nil {
		w.t.Fatal(err)
	}
	obj["metadata"] = map[string]any{"name": "app", "namespace": "apps"}
	document, err := json.Marshal(obj)
	if err != nil {
		w.t.Fatal(err)
	}
	w.push("r1", map[string]string{
		"app/a.json": string(document), "app/all.env": sopsFile(w.t, "all.env.enc"),
		"app/kustomization.yaml": "secretGenerator: [{name: a, envs: [all.env]}]",
	})
	w.ks.Spec.Decryption = &v1.Decryption{Provider: "sops"}
	if secretRef != "" {
		w.ks.Spec.Decryption.SecretRef = &api.LocalObjectReference{Name: secretRef}
	}
	for key, name := range map[string]string{"sops-age": "age.agekey", "wrong": "other.agekey", "pgp": "pgp.asc"} {
		w.configs.data["Secret/flux-system/"+key] = map[string]string{name: sopsFile(w.t, "keys/"+name)}
	}
	w.configs.data["Secret/fluxd/global"] = map[string]string{"age.agekey": sopsFile(w.t, "keys/age.agekey")}
}

// password returns what is in the cluster of the encrypted Secret.
func (w *world) password() string {
	for _, content := range w.cluster.objects {
		var obj struct{ StringData map[string]any }
		if json.Unmarshal([]byte(content), &obj) == nil && obj.StringData != nil {
			text, _ := obj.StringData["password"].(string)
			return text
		}
	}
	return "none"
}

// plainly is bubble for files that are large enough to be packed: the coder that packs
// them is shared by all tests.
func plainly(t *testing.T, f func(w *world)) {
	t.Helper()
	f(newWorld(t))
}

func TestDecryption(t *testing.T) {
	const failed, applied = "False/BuildFailed: ", "True/ReconciliationSucceeded: Applied revision: r1"
	cases := map[string]struct {
		secret, ready, password string
		edit                    func(*world)
	}{
		"with the key":          {secret: "sops-age", ready: applied, password: "hunter2"},
		"with the global key":   {ready: applied, password: "hunter2"},
		"with neither":          {edit: func(w *world) { w.r.options.AgeSecret.Name = "" }, ready: failed + "error decrypting sources: app/all.env: cannot get sops data key: ", password: "none"},
		"with the wrong key":    {secret: "wrong", ready: failed + "error decrypting sources: app/all.env: cannot get sops data key: ", password: "none"},
		"a Secret is missing":   {secret: "none", ready: failed + `secrets "none" not found`, password: "none"},
		"global key is missing": {edit: func(w *world) { w.r.options.AgeSecret.Name = "none" }, ready: failed + `secrets "none" not found`, password: "none"},
		"a Secret cannot be read": {
			secret: "sops-age", edit: func(w *world) { w.configs.err = errors.New("no route to host") },
			ready: failed + "cannot get sops decryption Secret 'flux-system/sops-age': no route to host", password: "none",
		},
		"a key is damaged": {
			secret: "sops-age", edit: func(w *world) {
				w.configs.data["Secret/flux-system/sops-age"]["b.agekey"] = "AGE-SECRET-KEY-1HUNTER2"
			},
			ready: failed + "failed to import 'b.agekey' data from sops decryption Secret 'flux-system/sops-age': failed to parse and add to age identities: line 1: malformed secret key", password: "none",
		},
		"a file is damaged": {
			secret: "sops-age", edit: func(w *world) {
				w.push("r1", map[string]string{
					"app/all.env":            strings.Replace(sopsFile(w.t, "all.env.enc"), "OPEN_unencrypted=readable", "OPEN_unencrypted=other", 1),
					"app/kustomization.yaml": "secretGenerator: [{name: a, envs: [all.env]}]",
				})
			},
			ready: failed + "error decrypting sources: app/all.env: failed to verify sops data integrity: the MAC does not match", password: "none",
		},
		"by a ServiceAccount, where that is allowed": {
			secret: "sops-age", edit: func(w *world) {
				w.r.options.ObjectLevelIdentity = true
				w.ks.Spec.Decryption.ServiceAccountName = "kms"
			},
			ready: applied, password: "hunter2",
		},
		"values are not substituted before they are decrypted": {
			secret: "sops-age", edit: func(w *world) { w.ks.Spec.PostBuild = &v1.PostBuild{Substitute: map[string]string{"x": "y"}} },
			ready: applied, password: "hunter2",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			plainly(t, func(w *world) {
				w.r.options.AgeSecret = SecretName{"fluxd", "global"}
				w.encrypted(c.secret)
				if c.edit != nil {
					c.edit(w)
				}
				_, err := w.run()
				if got := w.condition(api.ConditionReady); !strings.HasPrefix(got, c.ready) {
					t.Errorf("got %s, want %s", got, c.ready)
				}
				w.want("password", w.password(), c.password)
				if err == nil && !strings.Contains(string(w.folder.prepared.edits["/artifact/app/all.env"]), "PASSWORD=hunter2") {
					t.Error("the file of the generator is not decrypted")
				}
				for _, text := range append(w.told(), w.condition(api.ConditionReady)) {
					if strings.Contains(text, "hunter2") || strings.Contains(text, "HUNTER2") || strings.Contains(text, "SECRET-KEY") {
						t.Errorf("it shows a secret: %s", text)
					}
				}
			})
		})
	}
}

func TestDecryptionThatIsRefused(t *testing.T) {
	cases := map[string]struct {
		decryption v1.Decryption
		ready      string
	}{
		"a ServiceAccount": {v1.Decryption{Provider: "sops", ServiceAccountName: "kms"}, "False/FeatureGateDisabled: to use spec.decryption.serviceAccountName " +
			"for decryption authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller"},
		"another provider": {v1.Decryption{Provider: "gpg"}, `False/BuildFailed: spec.decryption.provider: "gpg" is not supported`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.ks.Spec.Decryption = &c.decryption
				_, err := w.run()
				if _, ok := errors.AsType[*fault.StalledError](err); !ok {
					t.Errorf("got %v", err)
				}
				w.want("ready", w.condition(api.ConditionReady), c.ready)
				w.want("builds", w.folder.builds, 0)
			})
		})
	}
}

// A build is remembered with its keys: other keys, or none, do not get at it.
func TestKeysDecideWhetherToBuild(t *testing.T) {
	plainly(t, func(w *world) {
		w.encrypted("sops-age")
		w.must()
		w.want("builds", w.folder.builds, 1)
		saved := w.saved
		w.must()
		w.want("the same key: builds", w.folder.builds, 1)
		w.want("the same key: writes of status", w.saved, saved)

		w.configs.data["Secret/flux-system/sops-age"]["note"] = "not a key"
		w.must()
		w.want("another entry: builds", w.folder.builds, 1)

		w.r.options.DecryptionAccount = "kms"
		w.must()
		w.want("another identity: builds", w.folder.builds, 2)

		w.ks.Spec.Decryption.SecretRef.Name = "wrong"
		if _, err := w.run(); err == nil {
			t.Error("the build of another key is handed out")
		}
		w.ks.Spec.Decryption = nil
		w.must()
		w.want("without decryption", strings.HasPrefix(w.password(), "ENC["), true) // the real applier refuses it
	})
}

func TestReferencesToKeys(t *testing.T) {
	cases := map[string]struct {
		decryption *v1.Decryption
		global     string
		want       []string
	}{
		"none":       {nil, "global", nil},
		"its own":    {&v1.Decryption{SecretRef: &api.LocalObjectReference{Name: "keys"}}, "global", []string{"Secret/flux-system/keys"}},
		"the global": {&v1.Decryption{}, "global", []string{"Secret/fluxd/global"}},
		"neither":    {&v1.Decryption{}, "", nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.r.options.AgeSecret = SecretName{"fluxd", c.global}
			w.ks.Spec.Decryption = c.decryption
			var got []string
			for _, ref := range w.r.References(w.ks)[1:] {
				got = append(got, ref.String())
			}
			w.want("references", got, c.want)
		})
	}
}
