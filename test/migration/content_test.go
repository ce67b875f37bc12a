package migration

import (
	"fmt"
	"maps"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/upstream"
)

const (
	sourceVersion    = "source.toolkit.fluxcd.io/v1"
	kustomizeVersion = "kustomize.toolkit.fluxcd.io/v1"
	helmVersion      = "helm.toolkit.fluxcd.io/v2"
)

// deployment is one with a Pod, which the simulated nodes make ready.
const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, labels: {app: %[1]s}}
spec:
  replicas: 1
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      containers: [{name: main, image: "example.com/app:1", resources: {requests: {cpu: 10m}}, ports: [{containerPort: 80}]}]
`

func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: NS}\ndata: {key: %q}\n", name, value)
}

// repository is what the fleet is made from at first: a folder for each Kustomization and
// for each chart.
func repository() files {
	all := files{
		"infra/settings.yaml":  configMap("settings", "1"),
		"infra/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-extra}\n",
		"infra/account.yaml":   "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: infra, namespace: NS}\n",
		"infra/crd.yaml": `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}}
`,
		"apps/kustomization.yaml": `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: NS
resources: [old.yaml, words.yaml, web.yaml, service.yaml, widget.yaml, release.yaml]
configMapGenerator: [{name: generated, literals: [a=b]}]
secretGenerator: [{name: generated, literals: [password=plain]}]
`,
		"apps/web.yaml":     fmt.Sprintf(deployment, "web"),
		"apps/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n",
		"apps/widget.yaml":  "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: web}\nspec: {size: 1}\n",
		"apps/words.yaml":   configMap("words", "${word} ${inline} ${secret} ${none:=default}"),
		"apps/old.yaml":     configMap("old", "1"),
		"apps/release.yaml": "apiVersion: " + helmVersion + "\nkind: HelmRelease\nmetadata: {name: applied, namespace: NS}\n" +
			"spec: {interval: 10m, chart: {spec: {chart: ./charts/local, sourceRef: {kind: GitRepository, name: fleet}}}, values: {word: applied}}\n",
		"late/late.yaml":     configMap("late", "1"),
		"paused/paused.yaml": configMap("paused", "1"),
		"broken/broken.yaml": "kind: Nonsense\n",
		"sick/config.yaml":   configMap("sick", "1"),
		"sick/sick.yaml": strings.Replace(fmt.Sprintf(deployment, "sick"), "metadata: {labels: {app: sick}}",
			"metadata: {labels: {app: sick}, annotations: {fluxd.test/never-ready: 'true'}}", 1),
	}
	maps.Copy(all, local("1.0.0").DirectoryOf("charts/local"))
	maps.Copy(all, slow().DirectoryOf("slow"))
	return all
}

// local is the chart in Git: a ConfigMap and a Deployment.
func local(version string) upstream.Chart {
	return upstream.Chart{Name: "local", Version: version, Values: "word: hello\n", Files: map[string]string{
		"templates/config.yaml":     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-config}\ndata: {word: {{ .Values.word | quote }}, version: {{ .Chart.Version | quote }}}\n",
		"templates/deployment.yaml": fmt.Sprintf(deployment, "{{ .Release.Name }}"),
		"templates/NOTES.txt":       "{{ .Release.Name }} is there.\n",
	}}
}

// hooked is a chart with hooks and a test of its own.
func hooked(name, version string) upstream.Chart {
	hook := func(what, events string) string {
		return fmt.Sprintf("apiVersion: batch/v1\nkind: Job\nmetadata: {name: {{ .Release.Name }}-%s, annotations: {helm.sh/hook: %q, helm.sh/hook-delete-policy: before-hook-creation}}\n"+
			"spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: job, image: example.com/job}]}}}\n", what, events)
	}
	c := local(version)
	c.Name = name
	c.Files = maps.Clone(c.Files)
	c.Files["templates/before.yaml"] = hook("before", "pre-install,pre-upgrade")
	c.Files["templates/after.yaml"] = hook("after", "post-install,post-upgrade")
	c.Files["templates/tests/works.yaml"] = hook("works", "test")
	c.Files["crds/gadgets.yaml"] = strings.NewReplacer("widget", "gadget", "Widget", "Gadget").Replace(repository()["infra/crd.yaml"])
	return c
}

// publish publishes a version of every chart that is not in Git, beside the first.
func (f *fleet) publish(versions ...string) {
	f.T.Helper()
	var all []upstream.Chart
	for _, v := range versions {
		all = append(all, hooked("hooked", v))
		f.push(named("referred", v))
		f.push(named("listed", v))
	}
	if err := f.charts.Publish(all...); err != nil {
		f.T.Fatal(err)
	}
}

// named is the chart in Git under another name.
func named(name, version string) upstream.Chart {
	c := local(version)
	c.Name = name
	return c
}

// pushManifests pushes what the OCIRepository "manifests" follows.
func (f *fleet) pushManifests(value string) {
	f.T.Helper()
	artifact, err := upstream.FluxArtifact(files{"config.yaml": f.Expand(configMap("from-oci", value))}, map[string]string{
		"org.opencontainers.image.revision": "main@sha1:" + strings.Repeat("a", 40), "org.opencontainers.image.source": "https://example.com/source",
	})
	if err == nil {
		_, err = oci.Push(f.T.Context(), f.Namespace+"/manifests", "latest", artifact)
	}
	if err != nil {
		f.T.Fatal(err)
	}
}

// put stores objects in the bucket.
func (f *fleet) put(content files) {
	f.T.Helper()
	for name, text := range content {
		if err := s3.Put(f.T.Context(), f.Namespace, name, []byte(f.Expand(text))); err != nil {
			f.T.Fatal(err)
		}
	}
}

// populate makes everything that the objects of the fleet refer to, and the objects.
func (f *fleet) populate() {
	f.T.Helper()
	f.commit(repository())
	if _, err := f.repo.Commit(f.T.Context(), "shared", "shared", files{"base/shared.yaml": f.Expand(configMap("shared", "1"))}); err != nil {
		f.T.Fatal(err)
	}
	f.publish("1.0.0")
	f.pushManifests("1")
	if err := s3.MakeBucket(f.T.Context(), f.Namespace); err != nil {
		f.T.Fatal(err)
	}
	f.put(files{"manifests/config.yaml": configMap("from-bucket", "1")})
	f.put(named("stored", "1.0.0").DirectoryOf("charts/stored"))
	f.Secret("keys", map[string]string{"accesskey": accessKey, "secretkey": secretKey})
	f.Secret("secrets", map[string]string{"secret": "hidden", "values": "word: from-a-secret\n"})
	f.Create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: words-from, namespace: NS}\ndata: {word: from-a-config, values: 'more: {nested: true}'}\n")
	f.Create(tenant + f.sources() + f.kustomizations() + f.releases())
}

// tenant is an account that may do everything in the namespace.
const tenant = `apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant, namespace: NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: tenant, namespace: NS}]
`

// sources are the manifests of all kinds of them.
func (f *fleet) sources() string {
	git := "url: " + gits.RepoURL(f.repo)
	repository := "insecure: true\nurl: oci://" + oci.Host() + "/" + f.Namespace
	return f.Manifest(sourceVersion, "GitRepository", "fleet", git, "ref: {branch: main}", "ignore: |\n  /unused") +
		f.Manifest(sourceVersion, "GitRepository", "shared", git, "ref: {branch: shared}") +
		f.Manifest(sourceVersion, "GitRepository", "composed", git, "ref: {branch: main}",
			"include: [{repository: {name: shared}, fromPath: base, toPath: composed}]") +
		f.Manifest(sourceVersion, "OCIRepository", "manifests", repository+"/manifests", "ref: {tag: latest}") +
		f.Manifest(sourceVersion, "OCIRepository", "referred", repository+"/referred", "ref: {semver: '*'}",
			"layerSelector: {mediaType: "+upstream.MediaHelmLayer+", operation: copy}") +
		f.Manifest(sourceVersion, "HelmRepository", "index", "url: "+f.charts.URL) +
		f.Manifest(sourceVersion, "HelmRepository", "registry", "type: oci", repository) +
		f.Manifest(sourceVersion, "Bucket", "bucket", "insecure: true", "endpoint: "+s3.Host(), "bucketName: NS", "secretRef: {name: keys}") +
		f.Manifest(sourceVersion, "HelmChart", "stored", "chart: charts/stored", "sourceRef: {kind: Bucket, name: bucket}", "reconcileStrategy: Revision")
}

// kustomizations are the manifests of those.
func (f *fleet) kustomizations() string {
	git := func(path string) string {
		return "path: " + path + "\nsourceRef: {kind: GitRepository, name: fleet}\nprune: true\ntimeout: 1m"
	}
	return f.Manifest(kustomizeVersion, "Kustomization", "infra", git("./infra"), "wait: true") +
		f.Manifest(kustomizeVersion, "Kustomization", "apps", git("./apps"), "dependsOn: [{name: infra}]",
			"healthChecks: [{apiVersion: apps/v1, kind: Deployment, name: web, namespace: NS}]",
			"images: [{name: example.com/app, newTag: '2'}]", "commonMetadata: {labels: {team: one}, annotations: {note: common}}",
			"patches: [{target: {kind: Service}, patch: '- {op: add, path: /metadata/annotations, value: {patched: \"yes\"}}'}]",
			"postBuild: {substitute: {inline: set}, substituteFrom: [{kind: ConfigMap, name: words-from}, {kind: Secret, name: secrets}]}") +
		f.Manifest(kustomizeVersion, "Kustomization", "late", git("./late"), "dependsOn: [{name: apps}]", "namePrefix: very-") +
		f.Manifest(kustomizeVersion, "Kustomization", "paused", git("./paused")) +
		f.Manifest(kustomizeVersion, "Kustomization", "broken", git("./broken")) +
		f.Manifest(kustomizeVersion, "Kustomization", "sick", "path: ./sick", "sourceRef: {kind: GitRepository, name: fleet}",
			"prune: true", "wait: true", "timeout: 3s", "targetNamespace: NS") +
		f.Manifest(kustomizeVersion, "Kustomization", "composed", "path: ./composed", "sourceRef: {kind: GitRepository, name: composed}", "prune: true") +
		f.Manifest(kustomizeVersion, "Kustomization", "from-oci", "sourceRef: {kind: OCIRepository, name: manifests}", "prune: true", "targetNamespace: NS", "serviceAccountName: tenant") +
		f.Manifest(kustomizeVersion, "Kustomization", "from-bucket", "path: ./manifests", "sourceRef: {kind: Bucket, name: bucket}", "prune: true")
}

// releases are the manifests of those.
func (f *fleet) releases() string {
	chart := func(name, kind, source, more string) string {
		return "chart: {spec: {chart: " + name + ", sourceRef: {kind: " + kind + ", name: " + source + "}" + more + "}}"
	}
	return f.Manifest(helmVersion, "HelmRelease", "indexed", chart("hooked", "HelmRepository", "index", ", version: 1.x"), "test: {enable: true}",
		"targetNamespace: NS-target", "storageNamespace: NS", "install: {createNamespace: true}", "values: {word: inline}") +
		f.Manifest(helmVersion, "HelmRelease", "listed", chart("listed", "HelmRepository", "registry", ", version: '*'"),
			"valuesFrom: [{kind: ConfigMap, name: words-from, valuesKey: values}, {kind: Secret, name: secrets, valuesKey: values}]",
			"postRenderers: [{kustomize: {patches: [{target: {kind: ConfigMap}, patch: '- {op: add, path: /data/patched, value: \"yes\"}'}], images: [{name: example.com/app, newTag: '3'}]}}]") +
		f.Manifest(helmVersion, "HelmRelease", "local", chart("./charts/local", "GitRepository", "fleet", ", reconcileStrategy: Revision"),
			"commonMetadata: {labels: {team: two}, annotations: {note: common}}", "driftDetection: {mode: enabled}", "dependsOn: [{name: listed}]") +
		f.Manifest(helmVersion, "HelmRelease", "referred", "chartRef: {kind: OCIRepository, name: referred}", "releaseName: other-name", "serviceAccountName: tenant") +
		f.Manifest(helmVersion, "HelmRelease", "stored", "chartRef: {kind: HelmChart, name: stored}") +
		f.Manifest(helmVersion, "HelmRelease", "halted", "chartRef: {kind: OCIRepository, name: referred}") +
		f.Manifest(helmVersion, "HelmRelease", "failed", chart("./slow", "GitRepository", "fleet", ""), "upgrade: {timeout: 3s}") +
		f.Manifest(helmVersion, "HelmRelease", "back", chart("./slow", "GitRepository", "fleet", ""),
			"upgrade: {timeout: 3s, remediation: {remediateLastFailure: true}}")
}

// flux are the objects of the fleet, by their resource.
var flux = map[string][]string{
	"GitRepository":  {"fleet", "shared", "composed"},
	"OCIRepository":  {"manifests", "referred"},
	"HelmRepository": {"index"},
	"Bucket":         {"bucket"},
	"HelmChart":      {"stored", "NS-indexed", "NS-listed", "NS-local", "NS-applied"},
	"Kustomization":  {"infra", "apps", "late", "composed", "from-oci", "from-bucket"},
	"HelmRelease":    {"indexed", "listed", "local", "referred", "stored", "applied"},
}

// failures are the objects that are not ready, and the reason.
var failures = map[string]map[string]string{
	"Kustomization": {"broken": "BuildFailed", "sick": "HealthCheckFailed"},
	"HelmRelease":   {"failed": "UpgradeFailed", "back": "RollbackSucceeded"},
}

// suspended are those that are suspended once they are ready.
var suspended = map[string]string{"Kustomization": "paused", "HelmRelease": "halted"}

// resources of the kinds.
var resources = func() map[string]api.Resource {
	all := map[string]api.Resource{}
	for _, r := range api.Resources() {
		all[r.Kind.Kind] = r
	}
	return all
}()
