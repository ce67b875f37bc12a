package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

// account creates a service account, and if verbs are given the right to use these
// on ConfigMaps of the namespace.
func (w *world) account(name, verbs string) {
	w.t.Helper()
	w.create("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: " + name + ", namespace: NS}")
	if verbs != "" {
		w.allow(name, verbs)
	}
}

func (w *world) allow(account, verbs string) {
	w.t.Helper()
	w.kubectl("create", "role", account, "--verb="+verbs, "--resource=configmaps")
	w.kubectl("create", "rolebinding", account, "--role="+account, "--serviceaccount="+w.namespace+":"+account)
}

const allVerbs = "get,create,patch,delete"

// authors returns who has tried to write ConfigMaps of the namespace since a mark,
// but for the test and the control plane itself, with the namespace as NS.
func (w *world) authors(since controlplane.AuditMark) []string {
	w.t.Helper()
	all, err := w.AuditEvents(since, "")
	if err != nil {
		w.t.Fatal(err)
	}
	found := map[string]bool{}
	for _, e := range all {
		own := e.User != controlplane.AdminUser && !strings.HasPrefix(e.User, "system:kube-") && !strings.HasPrefix(e.User, "system:serviceaccount:kube-system:")
		if e.Namespace != w.namespace || !own || e.Request.Resource != "configmaps" || !e.Request.Writes() {
			continue
		}
		who := e.User
		if e.As != "" {
			who += " as " + e.As
		}
		found[strings.ReplaceAll(who, w.namespace, "NS")] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// says says whether the message of Ready has a part.
func says(part string) is {
	return func(obj *unstructured.Unstructured) bool {
		_, message := condition(obj, "Ready")
		return strings.Contains(message, part)
	}
}

func absent(obj *unstructured.Unstructured) bool { return obj == nil }

// From no rights to all, a life of a tenant: whatever is written is written by it.
func TestLifeOfATenant(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "app/other.yaml": configMap("other", "1")})
	mark := w.mark()
	w.account("tenant", "")
	w.source("repo")
	w.kustomization("app", "./app", "serviceAccountName: tenant", "wait: true")
	app := w.wait(harness.Kustomized, "app", harness.Failed("ReconciliationFailed"))
	_, message := condition(app, "Ready")
	contains(t, "message", message, "ConfigMap/"+w.namespace+"/config dry-run failed (Forbidden)",
		`User "system:serviceaccount:`+w.namespace+`:tenant" cannot patch resource "configmaps"`)
	if w.get(harness.ConfigMaps, "config") != nil {
		t.Error("it was written without the right to")
	}

	w.allow("tenant", allVerbs)
	w.reconciled(harness.Kustomized, "app")
	w.ready("app")
	w.patch(harness.ConfigMaps, "config", map[string]any{"data": map[string]any{"key": "edited"}})
	w.wait(harness.ConfigMaps, "config", data("key", "1"))

	commit := w.commit(files{"app/other.yaml": configMap("another", "1")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	w.wait(harness.ConfigMaps, "other", absent)

	w.delete(harness.Kustomized, "app")
	w.wait(harness.Kustomized, "app", absent)
	w.wait(harness.ConfigMaps, "config", absent)
	equal(t, "authors", []string{"fluxd as system:serviceaccount:NS:tenant"}, w.authors(mark))
}

// A tenant that may write here and not there writes nothing at all, and a tenant that
// takes over objects of fluxd itself has to be allowed to.
func TestTenantStaysInItsNamespace(t *testing.T) {
	w := newWorld(t, files{
		"both/config.yaml": configMap("config", "1"),
		"both/there.yaml":  strings.Replace(configMap("NS-stray", "1"), "namespace: NS", "namespace: default", 1),
		"app/mine.yaml":    configMap("mine", "1"),
	})
	w.account("tenant", allVerbs)
	w.account("guest", "")
	w.source("repo")
	w.kustomization("both", "./both", "serviceAccountName: tenant")
	w.kustomization("app", "./app")
	w.wait(harness.Kustomized, "both", all(harness.Failed("ReconciliationFailed"), says(`in the namespace "default"`)))
	if w.get(harness.ConfigMaps, "config") != nil {
		t.Error("a part was written")
	}
	w.ready("app")
	mark := w.mark()
	w.patch(harness.Kustomized, "app", spec(map[string]any{"serviceAccountName": "guest"}))
	w.wait(harness.Kustomized, "app", all(harness.Failed("ReconciliationFailed"), says(`:guest" cannot patch`)))
	w.patch(harness.Kustomized, "app", spec(map[string]any{"serviceAccountName": "tenant"}))
	w.ready("app")
	equal(t, "authors", []string{"fluxd as system:serviceaccount:NS:guest", "fluxd as system:serviceaccount:NS:tenant"}, w.authors(mark))
}

// Without its service account a Kustomization goes and its objects stay.
func TestDeletionWithoutTheAccount(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.account("tenant", allVerbs)
	w.source("repo")
	w.kustomization("app", "./app", "serviceAccountName: tenant")
	w.ready("app")
	w.kubectl("delete", "serviceaccount", "tenant")
	w.delete(harness.Kustomized, "app")
	w.wait(harness.Kustomized, "app", absent)
	w.events("Kustomization/app Warning PruneFailed kustomize-controller kustomize-controller: unable to prune objects: \nConfigMap/" + w.namespace + "/config")
	if w.get(harness.ConfigMaps, "config") == nil {
		t.Error("it was deleted, by whom?")
	}
}

// A lost right to delete keeps the Kustomization until it is given back.
func TestDeletionWithoutTheRight(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.account("tenant", "get,create,patch")
	w.source("repo")
	w.kustomization("app", "./app", "serviceAccountName: tenant")
	w.ready("app")
	w.delete(harness.Kustomized, "app")
	w.wait(harness.Kustomized, "app", says("cannot delete resource"))
	w.kubectl("create", "role", "reaper", "--verb=delete", "--resource=configmaps")
	w.kubectl("create", "rolebinding", "reaper", "--role=reaper", "--serviceaccount="+w.namespace+":tenant")
	w.wait(harness.Kustomized, "app", absent)
	w.wait(harness.ConfigMaps, "config", absent)
}

// With the lockdown of a cluster of many tenants, who names no account has the rights
// of the default one, and nobody reads the sources of others.
func TestLockdown(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1"), "mine/mine.yaml": configMap("mine", "1")},
		"--default-service-account=nobody", "--no-cross-namespace-refs")
	mark := w.mark()
	w.account("nobody", "")
	w.account("tenant", allVerbs)
	w.start()
	w.install()
	w.kustomization("mine", "./mine", "serviceAccountName: tenant")
	w.kustomization("theirs", "./app", "sourceRef: {kind: GitRepository, name: repo, namespace: flux-system}")
	w.wait(harness.Kustomized, "app", all(harness.Failed("ReconciliationFailed"), says(":nobody\" cannot patch")))
	w.ready("mine")
	w.wait(harness.Kustomized, "theirs", all(stalled("AccessDenied"), says("cross-namespace references have been blocked")))
	if w.get(harness.ConfigMaps, "config") != nil {
		t.Error("it was written as fluxd")
	}
	equal(t, "authors", []string{"fluxd as system:serviceaccount:NS:nobody", "fluxd as system:serviceaccount:NS:tenant"}, w.authors(mark))
}

// A tenant may bind a Role only once there is one, which a stage of its own sees to.
func TestCustomStage(t *testing.T) {
	pair := role + "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: binding, namespace: NS}\n" +
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: \"app:reader\"}\nsubjects: [{kind: ServiceAccount, name: tenant, namespace: NS}]\n"
	t.Parallel()
	for name, test := range map[string]struct {
		flags []string
		is    is
	}{
		"without": {nil, all(harness.Failed("ReconciliationFailed"), says("/binding "), says(`"app:reader" not found`))},
		"with":    {[]string{"--custom-apply-stage-kinds=rbac.authorization.k8s.io/Role, Secret"}, harness.Ready},
	} {
		t.Run(name, func(t *testing.T) {
			w := newOwnWorld(t, files{"app/pair.yaml": pair}, test.flags...)
			w.account("tenant", "")
			w.kubectl("create", "role", "binder", "--verb=get,create,patch,delete", "--resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io")
			w.kubectl("create", "role", "reader", "--verb=get", "--resource=pods") // nobody may give more than it has
			for _, name := range []string{"binder", "reader"} {
				w.kubectl("create", "rolebinding", name, "--role="+name, "--serviceaccount="+w.namespace+":tenant")
			}
			w.install("serviceAccountName: tenant")
			w.start()
			w.wait(harness.Kustomized, "app", test.is)
		})
	}
}
