package fleet

import (
	"fmt"
	"maps"
	"strings"

	"github.com/fluxd/fluxd/test/upstream"
)

const (
	overlays, plains, secrets = 8, 6, 2
	definitionsName           = "definitions"
)

// amounts are how many definitions there are, and how many applications in a plain folder
// and in a release, of three objects each.
type amounts struct{ definitions, plain, released int }

var (
	usual = amounts{definitions: 30, plain: 10, released: 3}
	few   = amounts{definitions: 1, plain: 1, released: 1}
)

// kustomizations are the names of the twenty.
func kustomizations() []string {
	names := []string{definitionsName, "oci", "bucket", "external"}
	for kind, n := range map[string]int{"overlay": overlays, "plain": plains, "secret": secrets} {
		for i := range n {
			names = append(names, fmt.Sprintf("%s-%d", kind, i))
		}
	}
	return names
}

// releases are the names of the ten: four of a chart of the index, four of one that was
// pushed, two of one in Git.
func releases() []string {
	var names []string
	for _, chart := range []string{"indexed", "pushed"} {
		for i := range 4 {
			names = append(names, fmt.Sprintf("%s-%d", chart, i))
		}
	}
	return append(names, "folder-0", "folder-1")
}

// repository returns the files of the repository.
func (f *Fleet) repository() (map[string]string, error) {
	files := base()
	for i := range overlays {
		maps.Copy(files, overlay(i, f.round))
	}
	for i := range plains {
		name := fmt.Sprintf("plain-%d", i)
		maps.Copy(files, below(name, plain(name, f.round, f.plain)))
	}
	for i := range f.definitions {
		files[fmt.Sprintf("%s/%d.yaml", definitionsName, i)] = Definition(fmt.Sprint("things", i), fmt.Sprint("Thing", i), f.Namespace+".fleet.example.com")
	}
	maps.Copy(files, chart("folder", f.round, f.released).DirectoryOf("charts/folder"))
	files = f.expand(files)
	secret, err := encrypted("secret.yaml.enc")
	if err != nil {
		return nil, err
	}
	for i := range secrets { // not expanded: NS may be in what is encrypted
		name := fmt.Sprintf("secret-%d", i)
		files[name+"/kustomization.yaml"] = "resources: [sealed, mark.yaml]\n"
		files[name+"/sealed/kustomization.yaml"] = "namePrefix: " + name + "-\nresources: [secret.yaml]\n"
		files[name+"/sealed/secret.yaml"] = secret
		files[name+"/mark.yaml"] = strings.ReplaceAll(mark(name, f.round), "NS", f.Namespace)
	}
	return files, nil
}

func below(dir string, files map[string]string) map[string]string {
	out := make(map[string]string, len(files))
	for name, text := range files {
		out[dir+"/"+name] = text
	}
	return out
}

// mark is a ConfigMap that says which round it is.
func mark(name string, round int) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s-mark, namespace: NS}\ndata: {round: %q}\n", name, fmt.Sprint(round))
}

// plain is a folder of manifests.
func plain(name string, round, objects int) map[string]string {
	files := map[string]string{"mark.yaml": mark(name, round)}
	for i := range objects {
		files[fmt.Sprintf("%d.yaml", i)] = application(fmt.Sprintf("%s-%d", name, i), "NS", round)
	}
	return files
}

// application is a Deployment, a Service and a ConfigMap.
func application(name, namespace string, round int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: %[2]s, labels: {app: %[1]s}}
spec:
  replicas: 0
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      containers:
      - name: main
        image: example.com/app:%[3]d
        env: [{name: LOG_LEVEL, value: info}, {name: ADDRESS, value: ":8080"}]
        ports: [{containerPort: 8080, name: http}]
        resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 64Mi}}
        readinessProbe: {httpGet: {path: /ready, port: http}}
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec: {selector: {app: %[1]s}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: %[1]s, namespace: %[2]s}
data:
  config.yaml: |
%[4]s`, name, namespace, round, strings.Repeat("    key: a value that is about as long as values are\n", 40))
}

// base is what all overlays have in common.
func base() map[string]string {
	return map[string]string{
		"base/kustomization.yaml": "resources: [application.yaml]\nconfigMapGenerator: [{name: settings, literals: [a=1, b=2]}]\n",
		"base/application.yaml":   strings.ReplaceAll(application("app", "", 0), ", namespace: ", ""),
	}
}

// overlay is a folder that makes something of the base.
func overlay(i, round int) map[string]string {
	name := fmt.Sprintf("overlay-%d", i)
	return below(name, map[string]string{
		"kustomization.yaml": "namespace: NS\nresources: [prefixed, mark.yaml]\n",
		"mark.yaml":          mark(name, round),
		"prefixed/kustomization.yaml": fmt.Sprintf(`namespace: NS
namePrefix: %[1]s-
resources: [../../base]
labels: [{pairs: {fleet: %[1]s}, includeSelectors: true, includeTemplates: true}]
images: [{name: example.com/app, newTag: "%[2]d"}]
replicas: [{name: app, count: 0}]
patches:
- target: {kind: Deployment}
  patch: |
    - {op: add, path: /spec/template/spec/terminationGracePeriodSeconds, value: %[2]d}
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: app}
    spec:
      template:
        spec:
          containers:
          - {name: main, env: [{name: ROUND, value: "%[2]d"}]}
`, name, round),
	})
}

// Definition is a definition of a kind with a schema of the size that is usual, 13 KiB.
func Definition(plural, kind, group string) string {
	var fields strings.Builder
	for i := range 100 {
		fmt.Fprintf(&fields, "                field%d: {type: string, description: %q}\n", i, strings.Repeat("what this field is for ", 4))
	}
	return fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.%[2]s}
spec:
  group: %[2]s
  scope: Namespaced
  names: {plural: %[1]s, kind: %[3]s}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
%[4]s`, plural, group, kind, fields.String())
}

// chart is a chart with what most have: templates, helpers, a schema of its values, and
// a page of text.
func chart(name string, round, count int) upstream.Chart {
	files := map[string]string{
		"README.md":              strings.Repeat("A page that tells what the values of this chart are for.\n", 1000),
		"values.schema.json":     `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"count":{"type":"integer","minimum":1},"settings":{"type":"object","additionalProperties":{"type":"string"}}},"required":["count"]}`,
		"templates/_helpers.tpl": "{{- define \"labels\" -}}\napp.kubernetes.io/name: {{ .Chart.Name }}\napp.kubernetes.io/instance: {{ .Release.Name }}\n{{- end -}}\n",
		"templates/mark.yaml":    fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-mark\n  labels: {{- include \"labels\" . | nindent 4 }}\ndata:\n  round: %q\n", fmt.Sprint(round)),
		"templates/apps.yaml": "{{- range $i, $_ := until (int .Values.count) }}\n---\n" +
			strings.NewReplacer("app-of-chart", "{{ $.Release.Name }}-{{ $i }}", "namespace: NAMESPACE", "namespace: {{ $.Release.Namespace }}").Replace(application("app-of-chart", "NAMESPACE", round)) +
			"\n{{- end }}\n",
	}
	return upstream.Chart{
		Name: name, Version: fmt.Sprintf("1.%d.0", round), Files: files,
		Values: fmt.Sprintf("count: %d\nsettings:\n%s", count, manySettings()),
	}
}

func manySettings() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "  setting%d: what it is set to\n", i)
	}
	return b.String()
}

// The API versions of what is created.
const (
	sourceAPI    = "source.toolkit.fluxcd.io/v1"
	kustomizeAPI = "kustomize.toolkit.fluxcd.io/v1"
	helmAPI      = "helm.toolkit.fluxcd.io/v2"
)

// object is the manifest of an object of Flux, whose spec is lines of YAML.
func (f *Fleet) object(version, kind, name string, spec ...string) string {
	if kind != "ExternalArtifact" {
		spec = append(spec, "interval: 10m")
	}
	return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: %s, labels: %s}\nspec:\n  %s\n",
		version, kind, name, f.Namespace, f.Labels, strings.Join(spec, "\n  "))
}

// manifests are those of the objects of Flux and of what they need.
func (f *Fleet) manifests() string {
	var b strings.Builder
	object := func(version, kind, name string, spec ...string) {
		b.WriteString(f.object(version, kind, name, spec...))
	}
	secret := func(name string, data map[string]string) {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData:\n", name, f.Namespace)
		for key, value := range data {
			fmt.Fprintf(&b, "  %s: %q\n", key, value)
		}
	}
	secret("store", map[string]string{"accesskey": user, "secretkey": password})
	secret("keys", map[string]string{"age.agekey": f.key})
	object(sourceAPI, "GitRepository", "fleet", "url: "+f.git.URL+"/"+f.repo.Name, "ref: {branch: main}")
	object(sourceAPI, "OCIRepository", "fleet", "url: oci://"+f.registry.Host()+"/fleet/oci", "insecure: true", "ref: {tag: latest}")
	object(sourceAPI, "OCIRepository", "pushed", "url: oci://"+f.registry.Host()+"/fleet/charts/pushed", "insecure: true", "ref: {semver: '*'}",
		"layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}")
	object(sourceAPI, "Bucket", "fleet", "endpoint: "+f.s3.Host(), "bucketName: "+f.Namespace, "insecure: true", "secretRef: {name: store}")
	object(sourceAPI, "HelmRepository", "fleet", "url: "+f.index.URL)
	object(sourceAPI, "ExternalArtifact", "fleet", "sourceRef: {apiVersion: v1, kind: ConfigMap, name: fleet}")
	for _, name := range kustomizations() {
		kind, path, more := "GitRepository", "./"+name, ""
		switch name {
		case "oci":
			kind, path = "OCIRepository", "./"
		case "bucket":
			kind, path = "Bucket", "./"
		case "external":
			kind, path = "ExternalArtifact", "./"
		case "secret-0", "secret-1":
			more = "targetNamespace: " + f.Namespace + "\n  decryption: {provider: sops, secretRef: {name: keys}}"
		}
		object(kustomizeAPI, "Kustomization", name, "prune: true", "wait: true", "path: "+path, fmt.Sprintf("sourceRef: {kind: %s, name: fleet}", kind), more)
	}
	for _, name := range releases() {
		chart, _, _ := strings.Cut(name, "-")
		switch chart {
		case "pushed":
			object(helmAPI, "HelmRelease", name, "chartRef: {kind: OCIRepository, name: pushed}", "driftDetection: {mode: enabled}")
		case "indexed":
			object(helmAPI, "HelmRelease", name, fmt.Sprintf("chart: {metadata: {labels: %s}, spec: {chart: indexed, interval: 10m, sourceRef: {kind: HelmRepository, name: fleet}}}", f.Labels), "driftDetection: {mode: enabled}")
		case "folder":
			object(helmAPI, "HelmRelease", name, fmt.Sprintf("chart: {metadata: {labels: %s}, spec: {chart: ./charts/folder, interval: 10m, reconcileStrategy: Revision, sourceRef: {kind: GitRepository, name: fleet}}}", f.Labels), "driftDetection: {mode: enabled}")
		}
	}
	return b.String()
}
