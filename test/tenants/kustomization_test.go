package tenants

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/program"
)

// Words for rows of the tables.
const (
	kustomization = api.KustomizationKind
	helmRelease   = api.HelmReleaseKind
	stalled       = "False/AccessDenied"
	notApplied    = "False/ReconciliationFailed"
	notBuilt      = "False/BuildFailed"
	blocked       = "cross-namespace references have been blocked"
)

// spells are names that are no names, by which one could get from one namespace into
// another if they were put into a path as they are.
var spells = map[string]string{"path": "../../" + victim + "/secrets/treasure", "slash": victim + "/treasure", "escaped": "..%2F..%2F" + victim + "%2Fsecrets%2Ftreasure", "dots": ".."}

// spelled is an attack with each of the spells in the place of NAME.
func spelled(prefix string, a attack) map[string]attack {
	all := map[string]attack{}
	for how, name := range spells {
		one := a
		one.spec = strings.ReplaceAll(a.spec, "NAME", name)
		one.before = strings.ReplaceAll(a.before, "NAME", name)
		all[prefix+"-"+how] = one
	}
	return all
}

func merged(all ...map[string]attack) map[string]attack {
	out := map[string]attack{}
	for _, some := range all {
		for name, a := range some {
			out[name] = a
		}
	}
	return out
}

// mine is a manifest of the tenant's own.
func mine(name string) string { return configMap(mallory, name, "mine") }

// onSources read the sources and charts of others.
func onSources() map[string]attack {
	all := map[string]attack{}
	for short, kind := range map[string]string{"git": "GitRepository", "oci": "OCIRepository", "bucket": "Bucket", "external": "ExternalArtifact"} {
		all["k-source-"+short] = attack{
			fields: []string{"Kustomization spec.sourceRef.namespace"}, kind: kustomization,
			spec:  "sourceRef: {kind: " + kind + ", name: private, namespace: victim}\npath: ./app",
			ready: stalled, says: []string{kind + "/victim/private", blocked},
		}
	}
	for short, kind := range map[string]string{"chart": "HelmChart", "oci": "OCIRepository", "external": "ExternalArtifact"} {
		all["h-source-"+short] = attack{
			fields: []string{"HelmRelease spec.chartRef.namespace", "HelmRelease spec.chartRef.name"}, kind: helmRelease,
			spec:  "chartRef: {kind: " + kind + ", name: victim-web, namespace: victim}",
			ready: stalled, says: []string{"cross-namespace references are not allowed: cannot access " + kind + " victim/victim-web"},
		}
	}
	for short, kind := range map[string]string{"helm": "HelmRepository", "git": "GitRepository", "bucket": "Bucket"} {
		all["h-chart-"+short] = attack{
			fields: []string{"HelmRelease spec.chart.spec.sourceRef.namespace"}, kind: helmRelease,
			spec:  "chart: {spec: {chart: ./chart, sourceRef: {kind: " + kind + ", name: private, namespace: victim}}}",
			ready: stalled, says: []string{"cannot access HelmChart victim/mallory-h-chart-" + short},
		}
	}
	all["h-values-files"] = attack{
		fields: []string{"HelmRelease metadata.annotations[fluxd.io/values-files]"}, kind: helmRelease, files: small("mine"),
		annotations: `{fluxd.io/values-files: '{files: [{path: values.yaml, sourceRef: {kind: GitRepository, name: private, namespace: victim}}]}'}`,
		ready:       stalled, says: []string{"cannot access GitRepository victim/private"},
	}
	return merged(all,
		spelled("k-source", attack{
			fields: []string{"Kustomization spec.sourceRef.name"}, kind: kustomization,
			spec:  "sourceRef: {kind: GitRepository, name: 'NAME'}",
			ready: "False/ArtifactFailed", says: []string{"GitRepository 'mallory/", "not found"},
		}),
		spelled("h-chart", attack{
			fields: []string{"HelmRelease spec.chart.spec.sourceRef.name", "HelmChart spec.sourceRef.name"}, kind: helmRelease,
			spec:  "chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository, name: 'NAME'}}}",
			ready: "False/SourceNotReady", says: []string{"GitRepository 'mallory/", "not found"},
		}))
}

// onAccounts act with the rights of somebody else.
func onAccounts() map[string]attack {
	all := map[string]attack{
		// Without an account it is that of --default-service-account, which may do nothing.
		"k-account-none": {
			fields: []string{"Kustomization spec.serviceAccountName"}, kind: kustomization, spec: "# serviceAccountName:",
			files: files{"a.yaml": mine("k-account-none")},
			ready: notApplied, says: []string{"ConfigMap/mallory/k-account-none", "system:serviceaccount:mallory:default"},
		},
		"h-account-none": {
			fields: []string{"HelmRelease spec.serviceAccountName"}, kind: helmRelease, spec: "# serviceAccountName:", files: small("mine"),
			ready: "False/StateError", says: []string{"system:serviceaccount:mallory:default", "cannot list"},
		},
		// The account of this name in another namespace may do everything.
		"k-account-admin": {
			fields: []string{"Kustomization spec.serviceAccountName"}, kind: kustomization, spec: "serviceAccountName: kustomize-controller",
			files: files{"a.yaml": mine("k-account-admin")},
			ready: notApplied, says: []string{"system:serviceaccount:mallory:kustomize-controller"},
		},
	}
	for how, name := range map[string]string{"user": "system:serviceaccount:victim:deployer", "colon": "x:deployer", "path": "../victim/deployer"} {
		all["k-account-"+how] = attack{
			fields: []string{"Kustomization spec.serviceAccountName"}, kind: kustomization, spec: "serviceAccountName: '" + name + "'", files: files{"a.yaml": mine("k-account-" + how)},
			ready: notApplied, says: []string{"spec.serviceAccountName", "not the name of a service account"},
		}
		all["h-account-"+how] = attack{
			fields: []string{"HelmRelease spec.serviceAccountName"}, kind: helmRelease, spec: "serviceAccountName: '" + name + "'", files: small("mine"),
			ready: "False/RESTClientError", says: []string{"spec.serviceAccountName", "not the name of a service account"},
		}
	}
	return all
}

// kubeconfig is one in a Secret called like the attack, with a user that is a YAML mapping.
func kubeconfig(name, cluster, user string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: NS}\nstringData:\n  value: |\n    apiVersion: v1\n    kind: Config\n    current-context: c\n" +
		"    contexts: [{name: c, context: {cluster: c, user: u}}]\n    clusters: [{name: c, cluster: " + cluster + "}]\n    users: [{name: u, user: " + user + "}]\n"
}

// onClusters reach clusters with what the process has.
func onClusters() map[string]attack {
	all := map[string]attack{}
	for how, c := range map[string]struct{ cluster, user, says string }{
		"exec":     {"{server: 'https://127.0.0.1:1'}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, interactiveMode: Never}}", "exec, which is refused"},
		"provider": {"{server: 'https://127.0.0.1:1'}", "{auth-provider: {name: gcp}}", "auth-provider, which is refused"},
		"token":    {"{server: 'https://127.0.0.1:1'}", "{tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}", "tokenFile, which is refused"},
		"files":    {"{server: 'https://127.0.0.1:1'}", "{client-certificate: /etc/ssl/a, client-key: /etc/ssl/b}", "paths of files, which are refused"},
		// Without --insecure-kubeconfig-tls nobody is believed who has no certificate.
		"tls":      {"{server: 'https://$TLS', insecure-skip-tls-verify: true}", "{token: x}", "certificate"},
		"metadata": {"{server: 'http://169.254.169.254'}", "{token: x}", "address refused"},
		"proxy":    {"{server: 'https://127.0.0.1:1', proxy-url: 'http://169.254.169.254'}", "{token: x}", "address refused"},
	} {
		name := "cluster-" + how
		fields := []string{"spec.kubeConfig.secretRef.name"}
		all["k-"+name] = attack{
			fields: prefixed("Kustomization ", fields), kind: kustomization, before: kubeconfig("k-"+name, c.cluster, c.user),
			spec: "kubeConfig: {secretRef: {name: k-" + name + "}}", files: files{"a.yaml": mine("k-" + name)},
			ready: notApplied, says: []string{"failed to build kube client: ", c.says},
		}
		all["h-"+name] = attack{
			fields: prefixed("HelmRelease ", fields), kind: helmRelease, before: kubeconfig("h-"+name, c.cluster, c.user),
			spec: "kubeConfig: {secretRef: {name: h-" + name + "}}", files: small("mine"),
			ready: "False/RESTClientError", says: []string{c.says},
		}
	}
	provider := func(data string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: CONFIG, namespace: NS}\ndata: " + data + "\n"
	}
	for how, c := range map[string]struct{ data, says string }{
		// The identity of the process is lent to nobody, and that of an account only with
		// the feature gate for it.
		"generic": {"{provider: generic, address: 'https://127.0.0.1:1'}", "no service account is named"},
		"account": {"{provider: generic, address: 'https://127.0.0.1:1', serviceAccountName: deployer}", "ObjectLevelWorkloadIdentity"},
		"foreign": {"{provider: generic, address: 'https://127.0.0.1:1', serviceAccountName: '../victim/deployer'}", "ObjectLevelWorkloadIdentity"},
	} {
		for kind, one := range map[string]struct{ prefix, ready string }{kustomization: {"k", notApplied}, helmRelease: {"h", "False/RESTClientError"}} {
			name := one.prefix + "-map-" + how
			all[name] = attack{
				fields: []string{kind + " spec.kubeConfig.configMapRef.name"}, kind: kind, before: strings.Replace(provider(c.data), "CONFIG", name, 1),
				spec: "kubeConfig: {configMapRef: {name: " + name + "}}", files: merge(small("mine"), files{"a.yaml": mine(name)}),
				ready: one.ready, says: []string{"KubeConfig configmap 'mallory/" + name + "'", c.says},
			}
		}
	}
	all["k-cluster-key"] = attack{
		fields: []string{"Kustomization spec.kubeConfig.secretRef.key"}, kind: kustomization, before: kubeconfig("k-cluster-key", "{server: 'https://127.0.0.1:1'}", "{token: x}"),
		spec: "kubeConfig: {secretRef: {name: k-cluster-key, key: ../../treasure/value}}", files: files{"a.yaml": mine("k-cluster-key")},
		ready: notApplied, says: []string{"KubeConfig secret 'mallory/k-cluster-key' does not contain a '../../treasure/value' key"},
	}
	all["h-cluster-key"] = attack{
		fields: []string{"HelmRelease spec.kubeConfig.secretRef.key"}, kind: helmRelease, before: kubeconfig("h-cluster-key", "{server: 'https://127.0.0.1:1'}", "{token: x}"),
		spec: "kubeConfig: {secretRef: {name: h-cluster-key, key: ../../treasure/value}}", files: small("mine"),
		ready: "False/RESTClientError", says: []string{"KubeConfig secret 'mallory/h-cluster-key' does not contain a '../../treasure/value' key"},
	}
	return merged(all,
		spelled("k-cluster", attack{
			fields: []string{"Kustomization spec.kubeConfig.secretRef.name"}, kind: kustomization, spec: "kubeConfig: {secretRef: {name: 'NAME'}}",
			ready: notApplied, says: []string{"unable to read KubeConfig secret 'mallory/"},
		}),
		spelled("k-map", attack{
			fields: []string{"Kustomization spec.kubeConfig.configMapRef.name"}, kind: kustomization, spec: "kubeConfig: {configMapRef: {name: 'NAME'}}",
			ready: notApplied, says: []string{"unable to read KubeConfig configmap 'mallory/"},
		}),
		spelled("h-cluster", attack{
			fields: []string{"HelmRelease spec.kubeConfig.secretRef.name"}, kind: helmRelease, spec: "kubeConfig: {secretRef: {name: 'NAME'}}", files: small("mine"),
			ready: "False/RESTClientError", says: []string{"unable to read KubeConfig secret 'mallory/"},
		}))
}

func prefixed(prefix string, all []string) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = prefix + one
	}
	return out
}

func merge(all ...files) files {
	out := files{}
	for _, some := range all {
		for name, text := range some {
			out[name] = text
		}
	}
	return out
}

// onConfigs read the Secrets and ConfigMaps of others.
func onConfigs() map[string]attack {
	all := map[string]attack{
		"k-decrypt-account": {
			fields: []string{"Kustomization spec.decryption.serviceAccountName"}, kind: kustomization, spec: "decryption: {provider: sops, serviceAccountName: deployer}",
			ready: "False/FeatureGateDisabled", says: []string{"spec.decryption.serviceAccountName", "ObjectLevelWorkloadIdentity"},
		},
		// The environment of the process has no variables for anybody.
		"k-environment": {
			fields: []string{"Kustomization spec.postBuild.substitute.*"}, kind: kustomization, spec: "postBuild: {substitute: {own: '${KUBERNETES_SERVICE_HOST}'}}",
			files: files{"a.yaml": configMap(mallory, "k-environment", "${RUNTIME_NAMESPACE}")},
			ready: notBuilt, says: []string{"RUNTIME_NAMESPACE"},
		},
	}
	return merged(all,
		spelled("k-decrypt", attack{
			fields: []string{"Kustomization spec.decryption.secretRef.name"}, kind: kustomization, spec: "decryption: {provider: sops, secretRef: {name: 'NAME'}}", files: files{"a.yaml": mine("a")},
			ready: notBuilt,
		}),
		spelled("k-substitute-secret", attack{
			fields: []string{"Kustomization spec.postBuild.substituteFrom[].name"}, kind: kustomization, spec: "postBuild: {substituteFrom: [{kind: Secret, name: 'NAME'}]}", files: files{"a.yaml": configMap(mallory, "a", "${value}")},
			ready: notBuilt, says: []string{"substitute from 'Secret/"},
		}),
		spelled("k-substitute-map", attack{
			fields: []string{"Kustomization spec.postBuild.substituteFrom[].name"}, kind: kustomization, spec: "postBuild: {substituteFrom: [{kind: ConfigMap, name: 'NAME'}]}", files: files{"a.yaml": configMap(mallory, "a", "${address}")},
			ready: notBuilt, says: []string{"substitute from 'ConfigMap/"},
		}),
		spelled("h-values-secret", attack{
			fields: []string{"HelmRelease spec.valuesFrom[].name"}, kind: helmRelease, spec: "valuesFrom: [{kind: Secret, name: 'NAME'}]", files: small("mine"),
			ready: "False/ValuesError",
		}),
		map[string]attack{"h-values-key": {
			fields: []string{"HelmRelease spec.valuesFrom[].valuesKey"}, kind: helmRelease, spec: "valuesFrom: [{kind: Secret, name: login, valuesKey: ../treasure/value}]", files: small("mine"),
			refused: "spec.valuesFrom[0].valuesKey",
		}})
}

// onDependencies find out what others have. As in Flux, one may wait for what others
// apply; what that is made of is not told.
func onDependencies() map[string]attack {
	return map[string]attack{
		"k-depends": {
			fields: []string{"Kustomization spec.dependsOn[].namespace"}, kind: kustomization, spec: "dependsOn: [{name: app, namespace: victim}]", files: files{"a.yaml": mine("k-depends")},
			ready: "True/ReconciliationSucceeded",
		},
		"k-depends-expression": {
			fields: []string{"Kustomization spec.dependsOn[].readyExpr"}, kind: kustomization,
			spec:  "dependsOn: [{name: app, namespace: victim, readyExpr: \"{'x': true}[dep.spec.postBuild.substitute.word]\"}]",
			ready: "False/DependencyNotReady", says: []string{"dependency app", "no such key: spec"},
		},
		"k-depends-guess": {
			fields: []string{"Kustomization spec.dependsOn[].readyExpr"}, kind: kustomization,
			spec:  "dependsOn: [{name: app, namespace: victim, readyExpr: \"dep.spec.postBuild.substitute.word.startsWith('cr0wn')\"}]",
			ready: "False/DependencyNotReady", says: []string{"dependency app", "no such key: spec"},
		},
		"h-depends": {
			fields: []string{"HelmRelease spec.dependsOn[].namespace"}, kind: helmRelease, spec: "dependsOn: [{name: web, namespace: victim}]", files: small("mine"),
			ready: "True/InstallSucceeded",
		},
		"h-depends-expression": {
			fields: []string{"HelmRelease spec.dependsOn[].readyExpr"}, kind: helmRelease, files: small("mine"),
			spec:  "dependsOn: [{name: web, namespace: victim, readyExpr: \"{'x': true}[dep.spec.values.word]\"}]",
			ready: "False/DependencyNotReady", says: []string{"dependency web", "no such key: spec"},
		},
		// What Flux's documentation compares still can be.
		"h-depends-version": {
			fields: []string{"HelmRelease spec.dependsOn[].readyExpr"}, kind: helmRelease, files: small("mine"),
			spec:  "dependsOn: [{name: web, namespace: victim, readyExpr: \"dep.metadata.generation == dep.status.observedGeneration && dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')\"}]",
			ready: "True/InstallSucceeded",
		},
		"k-depends-object": {
			fields: []string{"Kustomization metadata.annotations[fluxd.io/depends-on]"}, kind: kustomization, annotations: "{fluxd.io/depends-on: Secret/victim/treasure}",
			files: files{"a.yaml": mine("k-depends-object")},
			ready: stalled, says: []string{"Secret/victim/treasure", blocked},
		},
		"k-depends-cluster": {
			fields: []string{"Kustomization metadata.annotations[fluxd.io/depends-on]"}, kind: kustomization, annotations: "{fluxd.io/depends-on: Namespace/victim}",
			files: files{"a.yaml": mine("k-depends-cluster")},
			ready: "False/DependencyNotReady", says: []string{"Namespace/victim", "forbidden"},
		},
		// Although it is known how what the victim has applied does, it is asked again.
		"k-health-applied": {
			fields: []string{"Kustomization spec.healthChecks[].namespace"}, kind: kustomization, files: files{"a.yaml": mine("k-health-applied")},
			spec:  "healthChecks: [{apiVersion: v1, kind: ConfigMap, name: crown, namespace: victim}]",
			ready: "Unknown/Progressing", says: []string{"Running health checks"},
			then: denied("get", "configmaps", "crown"),
		},
		"k-health": {
			fields: []string{"Kustomization spec.healthChecks[].namespace"}, kind: kustomization, files: files{"a.yaml": mine("k-health")},
			spec:  "healthChecks: [{apiVersion: v1, kind: Secret, name: treasure, namespace: victim}]",
			ready: "Unknown/Progressing", says: []string{"Running health checks"}, // for 30 seconds at least
			then: denied("get", "secrets", "treasure"),
		},
	}
}

// onNamespaces apply to where others live.
func onNamespaces() map[string]attack {
	forbidden := func(what string) []string {
		return []string{what, "User \"system:serviceaccount:mallory:deployer\" cannot patch resource"}
	}
	roleBinding := "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: k-promote, namespace: mallory}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n" +
		"subjects: [{kind: ServiceAccount, name: deployer, namespace: mallory}]\n"
	return map[string]attack{
		"k-target": {
			fields: []string{"Kustomization spec.targetNamespace"}, kind: kustomization, spec: "targetNamespace: victim", files: files{"a.yaml": mine("a")},
			ready: notApplied, says: forbidden("ConfigMap/victim/a"),
		},
		"k-manifest": {
			fields: []string{"manifest namespace"}, kind: kustomization, files: files{"a.yaml": configMap(victim, "a", "mine")},
			ready: notApplied, says: forbidden("ConfigMap/victim/a"),
		},
		"k-takeover": {
			fields: []string{"manifest of somebody else's object"}, kind: kustomization, spec: "force: true", files: files{"a.yaml": configMap(victim, "crown", "mine")},
			ready: notApplied, says: forbidden("ConfigMap/victim/crown"),
		},
		"k-flux": {
			fields: []string{"manifest of a Kustomization elsewhere"}, kind: kustomization,
			files: files{"a.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: evil, namespace: victim}\nspec: {interval: 1h, prune: true, serviceAccountName: deployer, sourceRef: {kind: GitRepository, name: private}, path: ./}\n"},
			ready: notApplied, says: forbidden("Kustomization/victim/evil"),
		},
		"k-patch": {
			fields: []string{"Kustomization spec.patches[].patch"}, kind: kustomization, files: files{"a.yaml": mine("a")},
			spec:  "patches: [{target: {kind: ConfigMap}, patch: '[{\"op\": \"replace\", \"path\": \"/metadata/namespace\", \"value\": \"victim\"}]'}]",
			ready: notApplied, says: forbidden("ConfigMap/victim/a"),
		},
		"k-cluster-role": {
			fields: []string{"manifest of a right"}, kind: kustomization,
			files: files{"a.yaml": strings.ReplaceAll(strings.Replace(strings.Replace(roleBinding, "RoleBinding", "ClusterRoleBinding", 1), ", namespace: mallory}\nroleRef", "}\nroleRef", 1), "k-promote", "k-cluster-role")},
			ready: notApplied, says: forbidden("ClusterRoleBinding/k-cluster-role"),
		},
		"k-promote": {
			fields: []string{"manifest of a right"}, kind: kustomization, files: files{"a.yaml": roleBinding},
			ready: notApplied, says: []string{"RoleBinding/mallory/k-promote", "attempting to grant RBAC permissions not currently held"},
		},
		// Labels of another owner on its own objects bring neither of them anything.
		"k-labels": {
			fields: []string{"manifest with the labels of another owner"}, kind: kustomization,
			spec:  "commonMetadata: {labels: {kustomize.toolkit.fluxcd.io/name: app, kustomize.toolkit.fluxcd.io/namespace: victim}}",
			files: files{"a.yaml": mine("crown")},
			ready: "True/ReconciliationSucceeded",
			then: func(w *world.World, name string) {
				w.Patch(harness.ConfigMaps, "crown", map[string]any{"data": map[string]any{"key": "edited"}})
				w.Delete(harness.ConfigMaps, "crown")
			},
		},
		"h-target": {
			fields: []string{"HelmRelease spec.targetNamespace"}, kind: helmRelease, spec: "targetNamespace: victim\nstorageNamespace: mallory\ninstall: {createNamespace: true}", files: small("mine"),
			ready: "False/InstallFailed", says: []string{"victim", "forbidden"},
		},
		"h-storage": {
			fields: []string{"HelmRelease spec.storageNamespace"}, kind: helmRelease, spec: "storageNamespace: victim", files: small("mine"),
			ready: "False/StateError", says: []string{"cannot list resource \"secrets\"", "namespace \"victim\""},
		},
		"h-storage-path": {
			fields: []string{"HelmRelease spec.storageNamespace"}, kind: helmRelease, spec: "storageNamespace: ../namespaces/victim", files: small("mine"),
			ready: "False/StateError",
		},
		"h-patch": {
			fields: []string{"HelmRelease spec.postRenderers[].kustomize.patches[].patch"}, kind: helmRelease, files: template(configMap(mallory, "h-patch", "mine")),
			spec:  "postRenderers: [{kustomize: {patches: [{target: {kind: ConfigMap}, patch: '[{\"op\": \"replace\", \"path\": \"/metadata/namespace\", \"value\": \"victim\"}]'}]}}]",
			ready: "False/InstallFailed", says: []string{"ConfigMap/victim/h-patch", "forbidden"},
		},
	}
}

// onBuilds have the build read what is not in the tree.
func onBuilds() map[string]attack {
	refused := func(content string) attack {
		return attack{
			fields: []string{"kustomization.yaml"}, kind: kustomization, files: files{"kustomization.yaml": content},
			ready: notBuilt, says: []string{"remote bases are disabled"},
		}
	}
	escaped := func(content string) attack {
		return attack{
			fields: []string{"kustomization.yaml"}, kind: kustomization, files: files{"kustomization.yaml": content}, ready: notBuilt,
		}
	}
	component := func(path string) attack {
		return attack{
			fields: []string{"Kustomization spec.components[]"}, kind: kustomization, files: files{"a.yaml": mine("a")}, spec: "components: ['" + path + "']", ready: notBuilt,
		}
	}
	return map[string]attack{
		"k-remote-file":        refused("resources: [http://$TRAP/a.yaml]"),
		"k-remote-git":         refused("resources: ['http://$TRAP/a.git//x?ref=main']"),
		"k-remote-ssh":         refused("resources: ['git@trap.invalid:a/b']"),
		"k-remote-prefix":      refused("resources: ['git::http://$TRAP/a']"),
		"k-remote-component":   refused("components: ['http://$TRAP/a.git//x']"),
		"k-remote-patch":       refused("resources: [a.yaml]\npatches: [{path: http://$TRAP/p.yaml}]"),
		"k-remote-schema":      refused("openapi: {path: http://$TRAP/schema.json}"),
		"k-remote-crds":        refused("crds: [http://$TRAP/crd.json]"),
		"k-remote-generator":   refused("configMapGenerator: [{name: a, files: [http://$TRAP/secret]}]"),
		"k-remote-transformer": refused("transformers: [http://$TRAP/t.yaml]"),
		"k-remote-replacement": refused("replacements: [{path: http://$TRAP/r.yaml}]"),

		"k-file-absolute": escaped("configMapGenerator: [{name: a, files: [/etc/passwd]}]"),
		"k-file-above":    escaped("configMapGenerator: [{name: a, files: [../../../../../../etc/passwd]}]"),
		"k-file-process":  escaped("configMapGenerator: [{name: a, envs: [/proc/self/environ]}]"),
		"k-file-token":    escaped("secretGenerator: [{name: a, files: [/var/run/secrets/kubernetes.io/serviceaccount/token]}]"),
		"k-file-resource": escaped("resources: [/etc/hostname]"),
		"k-file-url":      escaped("resources: ['file:///etc/passwd']"),
		"k-file-git":      escaped("resources: ['git::file:///tmp/repo']"),
		"k-charts":        escaped("helmCharts: [{name: a, repo: http://$TRAP}]"),
		"k-charts-old":    escaped("helmChartInflationGenerator: [{chartName: a, chartRepoUrl: http://$TRAP}]"),
		"k-exec": {
			fields: []string{"kustomization.yaml"}, kind: kustomization, ready: notBuilt,
			files: files{
				"kustomization.yaml": "generators: [g.yaml]",
				"g.yaml":             "apiVersion: v1\nkind: Run\nmetadata:\n  name: run\n  annotations:\n    config.kubernetes.io/function: \"exec: {path: ./run.sh}\"\n",
				"run.sh":             "#!/bin/sh\necho {}\n",
			},
		},
		"k-component-url":  component("http://$TRAP/a"),
		"k-component-git":  component("github.com/a/b"),
		"k-component-root": component("/etc"),
		"k-component-up":   component("../../../../../../etc"),
		"k-path": {
			fields: []string{"Kustomization spec.path"}, kind: kustomization, spec: "path: ../../../../../../etc",
			ready: "False/ArtifactFailed", says: []string{"kustomization path not found", "etc"},
		},
	}
}

// denied waits until the API server has refused a request about an object of the victim
// that was made as the account of the attacker.
func denied(verb, resource, object string) func(*world.World, string) {
	return func(w *world.World, _ string) {
		w.T.Helper()
		ctx, cancel := context.WithTimeout(w.T.Context(), world.Patience)
		defer cancel()
		err := program.Poll(ctx, func(context.Context) error {
			all, err := shared.Cluster.AuditEvents(controlplane.AuditMark{}, harness.Account.Name)
			if err == nil && !slices.ContainsFunc(all, func(e controlplane.AuditEvent) bool {
				return e.As == "system:serviceaccount:mallory:deployer" && e.Code == http.StatusForbidden && e.Namespace == victim &&
					e.Request.Verb == verb && e.Request.Resource == resource && e.Name == object
			}) {
				err = errors.New("nobody has asked")
			}
			return err
		})
		if err != nil {
			w.T.Errorf("%s %s %s/%s: %v", verb, resource, victim, object, err)
		}
	}
}
