package tenants

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// notInstalled is a release that could not be made.
const notInstalled = "False/InstallFailed"

// template is a chart whose one template is given.
func template(text string) files { return small("mine", "templates/one.yaml", text) }

// shown is a ConfigMap that has the value of an expression of a template.
func shown(expression string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {found: {{ " + expression + " | toJson | quote }}}\n"
}

// onCharts have templates find out, or make, what is not the tenant's.
func onCharts() map[string]attack {
	chart := func(content files, says ...string) attack {
		return attack{fields: []string{"templates of a chart"}, kind: helmRelease, files: content, ready: notInstalled, says: says}
	}
	hook := func(namespace string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hook, namespace: " + namespace + ", annotations: {helm.sh/hook: pre-install}}\ndata: {a: b}\n"
	}
	crd := "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: evils.example.com}\nspec: {group: example.com, names: {kind: Evil, plural: evils}, scope: Cluster, " +
		"versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}\n"
	nothing := func(field string) func(*world.World, string) {
		return func(w *world.World, name string) {
			found := world.Field(w.Get(harness.ConfigMaps, name), "data", "found")
			if strings.Trim(found, `"`) != "" && found != "{}" && found != "null" {
				w.T.Errorf("%s found %q", field, found)
			}
		}
	}
	dependency := func(repository, says string) attack {
		return attack{
			fields: []string{"dependencies of a chart"}, kind: helmRelease,
			files: small("mine", "Chart.yaml", "apiVersion: v2\nname: small\nversion: 1.0.0\ndependencies: [{name: private, version: '*', repository: '"+repository+"'}]\n"),
			ready: "False/SourceNotReady", says: []string{says},
		}
	}
	return map[string]attack{
		"h-lookup":         chart(template(shown(`lookup "v1" "Secret" "victim" "treasure"`)), "forbidden", `"treasure"`),
		"h-lookup-list":    chart(template(shown(`lookup "v1" "ConfigMap" "victim" ""`)), "forbidden"),
		"h-lookup-all":     chart(template(shown(`lookup "v1" "Secret" "" ""`)), "forbidden"),
		"h-lookup-cluster": chart(template(shown(`lookup "v1" "Namespace" "" "victim"`)), "forbidden"),
		"h-lookup-path":    chart(template(shown(`lookup "v1" "Secret" "mallory" "../../victim/secrets/treasure"`))),
		"h-env":            chart(template(shown(`env "KUBECONFIG"`)), `function "env" not defined`),
		"h-files": {
			fields: []string{"templates of a chart"}, kind: helmRelease, files: template(shown(`.Files.Get "../../../../../../etc/passwd"`)),
			ready: "True/InstallSucceeded", then: nothing(".Files"),
		},
		"h-dns": {
			fields: []string{"templates of a chart"}, kind: helmRelease, files: template(shown(`getHostByName "localhost"`)),
			ready: "True/InstallSucceeded", then: nothing("getHostByName"),
		},
		"h-schema-file":  chart(small("mine", "values.schema.json", `{"$ref": "file:///etc/passwd"}`), "a schema of a chart may refer to itself only"),
		"h-schema-http":  chart(small("mine", "values.schema.json", `{"$ref": "http://$TRAP/schema.json"}`), "a schema of a chart may refer to itself only"),
		"h-template":     chart(template(configMap(victim, "{{ .Release.Name }}", "mine")), "ConfigMap/victim/h-template", "forbidden"),
		"h-takeover":     chart(template(configMap(victim, "crown", "mine")), "ConfigMap/victim/crown", "forbidden"),
		"h-cluster-role": chart(template("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: evil}\nrules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]\n"), "ClusterRole/evil", "forbidden"),
		"h-hook":         chart(small("mine", "templates/hook.yaml", hook(victim)), "victim", "forbidden"),
		"h-crds":         chart(small("mine", "crds/evil.yaml", crd), "evils.example.com", "forbidden"),
		"h-chart-above": {
			fields: []string{"HelmRelease spec.chart.spec.chart", "HelmChart spec.chart"}, kind: helmRelease,
			spec:  "chart: {spec: {chart: ../../../../etc, sourceRef: {kind: GitRepository, name: repo}}}",
			ready: "False/SourceNotReady", says: []string{"spec.chart", "etc"},
		},
		"h-values-above": {
			fields: []string{"HelmRelease spec.chart.spec.valuesFiles[]", "HelmChart spec.valuesFiles[]"}, kind: helmRelease, files: small("mine"),
			spec:  "chart: {spec: {chart: ./h-values-above, valuesFiles: [../../../../../etc/passwd], sourceRef: {kind: GitRepository, name: repo}}}",
			ready: "False/SourceNotReady", says: []string{"etc/passwd"},
		},
		"h-values-annotation": {
			fields: []string{"HelmRelease metadata.annotations[fluxd.io/values-files]"}, kind: helmRelease, files: small("mine"),
			annotations: "{fluxd.io/values-files: '{files: [{path: ../../etc/passwd}]}'}",
			ready:       "False/ValuesError", says: []string{"metadata.annotations[fluxd.io/values-files]", "leads out of the artifact"},
		},
		"h-dependency":          dependency("file://../../../../../etc", "private"),
		"h-dependency-metadata": dependency("http://169.254.169.254", refusedAddress),
		"h-dependency-redirect": dependency("http://$REDIRECT", refusedAddress),
	}
}

// record is a release as Helm keeps it, in a Secret.
func record(namespace, name string, version int, status, manifest string, annotations map[string]string, hooks ...any) (string, error) {
	release := map[string]any{
		"name": name, "namespace": mallory, "version": version, "manifest": manifest, "hooks": hooks, "apply_method": "ssa",
		"info":   map[string]any{"status": status, "first_deployed": "2026-01-01T00:00:00Z", "last_deployed": "2026-01-01T00:00:00Z", "deleted": ""},
		"chart":  map[string]any{"metadata": map[string]any{"name": "small", "version": "1.0.0", "apiVersion": "v2"}, "values": map[string]any{"word": "mine"}},
		"config": map[string]any{},
	}
	text, err := json.Marshal(release)
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(text); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
		"metadata": map[string]any{
			"name": fmt.Sprintf("sh.helm.release.v1.%s.v%d", name, version), "namespace": namespace, "annotations": annotations,
			"labels": map[string]any{"name": name, "owner": "helm", "status": status, "version": fmt.Sprint(version)},
		},
		"data": map[string]any{"release": []byte(base64.StdEncoding.EncodeToString(packed.Bytes()))},
	})
	return string(secret) + "\n", err
}

// forge is record for the rows of a table.
func forge(name, status, manifest string, annotations map[string]string, hooks ...any) string {
	text, err := record(mallory, name, 1, status, manifest, annotations, hooks...)
	if err != nil {
		panic(err)
	}
	return text
}

// onReleases forge what fluxd knows of releases.
func onReleases() map[string]attack {
	theirs := configMap(victim, "crown", "mine")
	hook := map[string]any{
		"name": "hook", "kind": "ConfigMap", "path": "small/templates/hook.yaml", "manifest": configMap(victim, "hook", "mine"), "events": []string{"pre-delete", "post-delete", "pre-upgrade"},
	}
	status := func(change map[string]any) func(*world.World, string) {
		return func(w *world.World, name string) {
			w.Wait(api.HelmReleaseGVR, name, harness.Ready)
			patchStatus(w, "helmrelease", name, map[string]any{"status": change})
			w.Delete(api.HelmReleaseGVR, name)
		}
	}
	snapshot := map[string]any{
		"apiVersion": "v2", "digest": "sha256:1234", "name": "web", "namespace": victim, "version": 1, "status": "deployed", "chartName": "small", "chartVersion": "1.0.0",
		"configDigest": "sha256:1234", "firstDeployed": "2026-01-01T00:00:00Z", "lastDeployed": "2026-01-01T00:00:00Z",
	}
	return map[string]attack{
		// What a forged record has and the chart has not is deleted by the upgrade, with
		// the rights of the account.
		"h-record": {
			fields: []string{"record of a release"}, kind: helmRelease, before: forge("h-record", "deployed", theirs, nil), files: small("mine"),
			ready: "False/UpgradeFailed", says: []string{"ConfigMap/victim/crown", "forbidden"},
		},
		"h-record-mark": {
			fields: []string{"Secret metadata.annotations[fluxd.io/release]"}, kind: helmRelease, files: small("mine"),
			before: forge("h-record-mark", "pending-install", theirs, map[string]string{"fluxd.io/release": `{"attempt":"x/1/install","owner":{"Namespace":"mallory","Name":"h-record-mark"},"action":"install","step":"write","began":"2026-01-01T00:00:00Z","terms":{"timeout":"5m"}}`}),
			ready:  "False/UpgradeFailed", says: []string{"ConfigMap/victim/crown", "forbidden"},
		},
		"h-record-hook": {
			fields: []string{"record of a release"}, kind: helmRelease, before: forge("h-record-hook", "deployed", mine("h-record-hook"), nil, hook), files: small("mine"),
			ready: "True/UpgradeSucceeded",
			then: func(w *world.World, name string) {
				w.Delete(api.HelmReleaseGVR, name)
				w.Wait(api.HelmReleaseGVR, name, harness.Gone)
			},
		},
		"h-status-chart": {
			fields: []string{"HelmRelease status.helmChart"}, kind: helmRelease, files: small("mine"),
			act:  status(map[string]any{"helmChart": "victim/victim-web"}),
			then: func(w *world.World, name string) { w.Wait(api.HelmReleaseGVR, name, harness.Gone) },
		},
		"h-status-storage": {
			fields: []string{"HelmRelease status.storageNamespace", "HelmRelease status.history[].name", "HelmRelease status.history[].namespace"}, kind: helmRelease, files: small("mine"),
			act:   status(map[string]any{"storageNamespace": victim, "history": []any{snapshot}}),
			ready: "False/UninstallFailed", says: []string{"cannot list resource \"secrets\"", `namespace "victim"`},
		},
		"h-status-inventory": {
			fields: []string{"HelmRelease status.inventory.entries[].id"}, kind: helmRelease, files: small("mine"),
			act:  status(map[string]any{"inventory": map[string]any{"entries": []any{map[string]any{"id": "victim_crown__ConfigMap", "v": "v1"}}}}),
			then: func(w *world.World, name string) { w.Wait(api.HelmReleaseGVR, name, harness.Gone) },
		},
	}
}

// A release of the administrators may keep its records in the namespace of a tenant. The
// tenant may write these, and gets nothing done with the administrators' rights.
func TestRecordsOfOthers(t *testing.T) {
	a, w := admin(t, home), attacker(t)
	for _, manifest := range []string{
		"apiVersion: source.toolkit.fluxcd.io/v1\nkind: ExternalArtifact\nmetadata: {name: suite, namespace: NS}\nspec: {}\n",
		"apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: suite, namespace: NS}\nspec:\n  interval: 1h\n  chartRef: {kind: ExternalArtifact, name: suite}\n" +
			"  serviceAccountName: kustomize-controller\n  releaseName: suite\n  targetNamespace: mallory\n  storageNamespace: mallory\n",
	} {
		a.Create(manifest)
	}
	server, archive := serveArchive(t, prefix("small/", small("admin")))
	patch(a, "externalartifact", "suite", offered(server.URL+"/offer.tar.gz", archive))
	obj := a.Wait(api.HelmReleaseGVR, "suite", harness.Ready)

	evil := "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: forged}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n" +
		"subjects: [{kind: ServiceAccount, name: tenant, namespace: mallory}]\n"
	mark, err := json.Marshal(map[string]any{
		"attempt": fmt.Sprintf("%s/%d/upgrade", obj.GetUID(), obj.GetGeneration()), "owner": map[string]any{"Namespace": home, "Name": "suite"},
		"action": "upgrade", "step": "pre", "began": time.Now().UTC().Format(time.RFC3339), "terms": map[string]any{"timeout": "5m"}, "from": 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	forged, err := record(mallory, "suite", 2, "pending-upgrade", evil, map[string]string{"fluxd.io/release": string(mark)},
		map[string]any{"name": "forged", "kind": "ClusterRoleBinding", "path": "small/templates/hook.yaml", "manifest": evil, "events": []string{"pre-upgrade"}})
	if err != nil {
		t.Fatal(err)
	}
	create(w, forged)
	a.Reconciled(api.HelmReleaseGVR, "suite")
	a.Wait(api.HelmReleaseGVR, "suite", harness.Ready)

	// What the next upgrade replaces, and in the end what is uninstalled, names what is
	// the victim's, and has hooks.
	theirs := admin(t, victim).Get(harness.ConfigMaps, "crown")
	for _, version := range []int{10, 20} {
		forged, err := record(mallory, "suite", version, "deployed", configMap(victim, "crown", "mine"), nil,
			map[string]any{"name": "forged", "kind": "ClusterRoleBinding", "path": "small/templates/hook.yaml", "manifest": evil, "events": []string{"pre-upgrade", "pre-delete", "post-delete"}})
		if err != nil {
			t.Fatal(err)
		}
		create(w, forged)
		if version == 10 {
			a.Reconciled(api.HelmReleaseGVR, "suite")
			a.Wait(api.HelmReleaseGVR, "suite", harness.Ready)
		}
	}
	a.Delete(api.HelmReleaseGVR, "suite")
	a.Wait(api.HelmReleaseGVR, "suite", harness.Gone)
	if now := admin(t, victim).Get(harness.ConfigMaps, "crown"); now == nil || now.GetUID() != theirs.GetUID() {
		t.Error("what a forged record names was deleted")
	}
	if out, err := shared.Cluster.Kubectl(t.Context(), "get", "clusterrolebinding", "forged", "--ignore-not-found", "-o", "name"); err != nil || out != "" {
		t.Errorf("the tenant got a right from a forged record: %s, error %v", out, err)
	}
}

// create creates what is not to be expanded.
func create(w *world.World, manifest string) {
	w.T.Helper()
	if _, err := w.Cluster.Create(w.T.Context(), manifest); err != nil {
		w.T.Fatal(err)
	}
}
