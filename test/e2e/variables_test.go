package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// A change of what holds variables wakes the Kustomization that reads them, and no
// other.
func TestVariables(t *testing.T) {
	w := newWorld(t, files{
		"app/config.yaml":   configMap("config", "${word:=none}-${number}"),
		"other/config.yaml": configMap("other", "$${word}"),
	})
	w.watched("vars", "one")
	w.source("repo")
	w.kustomization("app", "./app", "postBuild: {substitute: {number: '1'}, substituteFrom: [{kind: ConfigMap, name: vars}]}")
	w.kustomization("other", "./other")
	w.ready("app", "other")
	equal(t, "value", "one-1", field(w.get(harness.ConfigMaps, "config"), "data", "key"))
	equal(t, "a value that nothing is substituted in", "$${word}", field(w.get(harness.ConfigMaps, "other"), "data", "key"))

	mark := w.mark()
	w.patch(harness.ConfigMaps, "vars", map[string]any{"data": map[string]any{"word": "two"}})
	w.wait(harness.ConfigMaps, "config", data("key", "two-1"))
	w.ready("app")
	for _, request := range w.requests(mark) {
		if strings.HasSuffix(request, " other") {
			t.Errorf("the other Kustomization was woken: %s", request)
		}
	}

	w.delete(harness.ConfigMaps, "vars")
	failed := w.wait(harness.Kustomized, "app", harness.Failed("BuildFailed"))
	_, message := condition(failed, "Ready")
	contains(t, "message", message, "substitute from 'ConfigMap/vars' error: ", "not found")
	w.watched("vars", "three")
	w.wait(harness.ConfigMaps, "config", data("key", "three-1"))
	w.ready("app")
}

// watched creates a ConfigMap with the variable word whose changes are noticed.
func (w *world) watched(name, word string) {
	w.t.Helper()
	w.create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: NS, labels: {reconcile.fluxcd.io/watch: Enabled}}\ndata: {word: " + word + "}")
}

// An encrypted Secret, and one that is generated from an encrypted file, reach the
// cluster in plain text once the key is there, and at once. Without decryption the
// encrypted one is refused.
func TestEncryptedSecrets(t *testing.T) {
	encrypted := func(name string) string {
		content, err := os.ReadFile(filepath.Join("../../pkg/render/decrypt/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	w := newWorld(t, nil)
	_, err := w.repo.Commit(t.Context(), "main", "add what is encrypted", files{ // not by commit, which would find NS in it
		"app/kustomization.yaml": "resources: [secret.yaml]\nsecretGenerator: [{name: generated, envs: [all.env]}]\ngeneratorOptions: {disableNameSuffixHash: true}\n",
		"app/secret.yaml":        encrypted("secret.yaml.enc"), "app/all.env": encrypted("all.env.enc"),
		"open/secret.yaml": encrypted("secret.yaml.enc"),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.source("repo")
	w.kustomization("app", "./app", "targetNamespace: NS\ndecryption: {provider: sops, secretRef: {name: keys}}")
	w.kustomization("open", "./open", "targetNamespace: NS")
	_, message := condition(w.wait(harness.Kustomized, "open", harness.Failed("ReconciliationFailed")), "Ready")
	contains(t, "message", message, "Secret/"+w.namespace+"/login is SOPS encrypted, configuring decryption is required for this secret to be reconciled")
	_, message = condition(w.wait(harness.Kustomized, "app", harness.Failed("BuildFailed")), "Ready")
	contains(t, "message", message, `secrets "keys" not found`)
	w.delete(harness.Kustomized, "open")

	w.secret("keys", map[string]string{"age.agekey": encrypted("keys/age.agekey")})
	w.ready("app")
	equal(t, "the encrypted Secret", "aHVudGVyMg==", field(w.get(secrets, "login"), "data", "password"))
	equal(t, "the generated Secret", "aHVudGVyMj13aXRoPWVxdWFscw==", field(w.get(secrets, "generated"), "data", "PASSWORD"))

	mark := w.mark()
	w.reconciled(harness.Kustomized, "app")
	for _, request := range w.writes(mark) {
		if !strings.Contains(request, "kustomizations") {
			t.Errorf("an unchanged Secret was written: %s", request)
		}
	}
	w.patch(secrets, "keys", map[string]any{"data": map[string]any{"age.agekey": nil}, "stringData": map[string]any{"other.agekey": encrypted("keys/other.agekey")}})
	obj := w.wait(harness.Kustomized, "app", func(obj *unstructured.Unstructured) bool {
		_, message := condition(obj, "Ready")
		return harness.Failed("BuildFailed")(obj) && strings.Contains(message, "cannot get sops data key")
	})
	if _, message := condition(obj, "Ready"); strings.Contains(message, "hunter2") || strings.Contains(message, "SECRET-KEY") {
		t.Errorf("the message shows a secret: %s", message)
	}
}
