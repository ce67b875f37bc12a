package e2e

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
)

// reaches are the ways of a tenant to somebody else's namespace, and to the network.
// VICTIM in a spec is that namespace.
var reaches = map[string]struct {
	spec, annotations string
	is                is
	says              []string
}{
	"source": {
		spec: "sourceRef: {kind: GitRepository, name: repo, namespace: VICTIM}",
		is:   stalled("AccessDenied"), says: []string{"can't access 'GitRepository/VICTIM/repo', cross-namespace references have been blocked"},
	},
	"variables": {
		spec: "postBuild: {substituteFrom: [{kind: Secret, name: ../../VICTIM/secrets/keys}]}",
		is:   harness.Failed("BuildFailed"), says: []string{"substitute from 'Secret/../../VICTIM/secrets/keys' error: "},
	},
	"optional-variables": {
		spec: "postBuild: {substituteFrom: [{kind: ConfigMap, name: VICTIM/vars, optional: true}]}",
		is:   harness.Failed("BuildFailed"), says: []string{"substitute from 'ConfigMap/VICTIM/vars' error: "},
	},
	"keys": {
		spec: "decryption: {provider: sops, secretRef: {name: VICTIM/keys}}",
		is:   harness.Failed("BuildFailed"), says: []string{"VICTIM/keys"},
	},
	"kubeconfig": {
		spec: "kubeConfig: {secretRef: {name: ../VICTIM/keys}}",
		is:   harness.Failed("ReconciliationFailed"), says: []string{"unable to read KubeConfig secret "},
	},
	"kubeconfig-by-token": {
		spec: "kubeConfig: {configMapRef: {name: there}}",
		is:   harness.Failed("ReconciliationFailed"), says: []string{`serviceAccountName: "VICTIM:owner" in namespace "NS": not the name of a service account`},
	},
	"account": {
		spec: "serviceAccountName: \"VICTIM:owner\"",
		is:   harness.Failed("ReconciliationFailed"), says: []string{`spec.serviceAccountName: "VICTIM:owner" in namespace "NS": not the name of a service account`},
	},
	"account-that-is-none": {
		spec: "serviceAccountName: none",
		is:   harness.Failed("ReconciliationFailed"), says: []string{`User "system:serviceaccount:NS:none" cannot`},
	},
	"objects": {
		spec: "targetNamespace: VICTIM",
		is:   harness.Failed("ReconciliationFailed"), says: []string{`User "system:serviceaccount:NS:tenant" cannot patch resource "configmaps"`, `in the namespace "VICTIM"`},
	},
	"objects-of-others": {
		annotations: "fluxd.io/depends-on: Secret/VICTIM/keys",
		is:          stalled("AccessDenied"), says: []string{"can't access 'Secret/VICTIM/keys', cross-namespace references have been blocked"},
	},
	"health": {
		spec: "timeout: 30s\nhealthChecks: [{apiVersion: v1, kind: Secret, name: keys, namespace: VICTIM}]",
		is:   all(harness.Failed("HealthCheckFailed")), says: []string{"Secret/VICTIM/keys", `User "system:serviceaccount:NS:tenant" cannot`},
	},
	"network": {
		spec: "path: ./remote",
		is:   harness.Failed("BuildFailed"), says: []string{"load https://example.com/base.yaml: remote bases are disabled"},
	},
	"repositories": {
		spec: "path: ./repository",
		is:   harness.Failed("BuildFailed"), says: []string{"load https://github.com/org/repo?ref=main: remote bases are disabled"},
	},
	"files-of-the-node": {
		spec: "path: ./node",
		is:   harness.Failed("BuildFailed"), says: []string{"fs-security-constraint"},
	},
}

// Whatever a tenant refers to, it gets at nothing of others, and hears nothing of what
// is there.
func TestTenantsReach(t *testing.T) {
	w := newOwnWorld(t, files{
		"app/config.yaml":               "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {key: \"${password:=none}\"}\n",
		"remote/kustomization.yaml":     "resources: [\"https://example.com/base.yaml\"]\n",
		"repository/kustomization.yaml": "resources: [\"https://github.com/org/repo?ref=main\"]\n",
		"node/kustomization.yaml":       "configMapGenerator: [{name: node, files: [/etc/hostname]}]\n",
	}, "--no-cross-namespace-refs", "--no-remote-bases", "--default-service-account=tenant", "--feature-gates=ObjectLevelWorkloadIdentity=true")
	victim := w.namespace + "-victim"
	in := func(text string) string { return w.expand(strings.ReplaceAll(text, "VICTIM", victim)) }
	w.account("tenant", allVerbs)
	w.create(in(`apiVersion: v1
kind: Namespace
metadata: {name: VICTIM}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: VICTIM}
stringData: {password: sw0rdfish, value: sw0rdfish, age.agekey: sw0rdfish}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: vars, namespace: VICTIM}
data: {password: sw0rdfish}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: owner, namespace: VICTIM}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: there, namespace: NS}
data: {provider: generic, address: "https://127.0.0.1:1", serviceAccountName: "VICTIM:owner"}
`))
	w.source("repo", "url: "+w.git.RepoURL(w.repo))
	for name, r := range reaches {
		path, spec := "./app", in(r.spec)
		if own, ok := strings.CutPrefix(spec, "path: "); ok {
			path, spec = own, ""
		}
		text := w.kustomizationManifest(name, path, "targetNamespace: "+w.namespace, spec)
		if strings.Contains(spec, "targetNamespace:") {
			text = w.kustomizationManifest(name, path, spec)
		}
		if r.annotations != "" {
			text = strings.Replace(text, "namespace: NS,", "namespace: NS, annotations: {"+in(r.annotations)+"},", 1)
		}
		w.create(text)
	}
	w.start()
	for name, r := range reaches {
		obj := w.waitFor(shortestTimeout+patience, harness.Kustomized, name, r.is)
		_, message := condition(obj, "Ready")
		for _, part := range r.says {
			contains(t, name, message, in(part))
		}
		if strings.Contains(message, "sw0rdfish") {
			t.Errorf("%s: the message shows what is there: %s", name, message)
		}
	}
}
