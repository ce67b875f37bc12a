package main

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	deploy = "../../deploy"
	image  = "fluxd/fluxd:v1.2.3"
)

// installed returns the objects of install.yaml.
func installed(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	return objects(t, deploy)
}

// objects returns what the kustomization in dir builds.
func objects(t *testing.T, dir string) []*unstructured.Unstructured {
	t.Helper()
	manifests, err := render(dir, image)
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, &object)
	}
}

func deployment(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	objects := installed(t)
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Deployment" })
	if i < 0 {
		t.Fatal("no Deployment")
	}
	return objects[i]
}

// at returns what stands at a path of an object, where a number is the index of a
// list.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			fields, _ := value.(map[string]any)
			value = fields[step]
		case int:
			items, _ := value.([]any)
			if step >= len(items) {
				t.Fatalf("%v: no item %d", path, step)
			}
			value = items[step]
		}
	}
	return value
}

func TestObjects(t *testing.T) {
	got := names(installed(t))
	want := []string{
		"ClusterRole flux-edit-flux-system",
		"ClusterRole flux-view-flux-system",
		"ClusterRole fluxd-flux-system", "ClusterRoleBinding cluster-reconciler-flux-system",
		"ClusterRoleBinding fluxd-flux-system",
		"ClusterRoleBinding fluxd-reconciler-flux-system",
		"CustomResourceDefinition buckets.source.toolkit.fluxcd.io",
		"CustomResourceDefinition externalartifacts.source.toolkit.fluxcd.io",
		"CustomResourceDefinition gitrepositories.source.toolkit.fluxcd.io",
		"CustomResourceDefinition helmcharts.source.toolkit.fluxcd.io",
		"CustomResourceDefinition helmreleases.helm.toolkit.fluxcd.io",
		"CustomResourceDefinition helmrepositories.source.toolkit.fluxcd.io",
		"CustomResourceDefinition kustomizations.kustomize.toolkit.fluxcd.io",
		"CustomResourceDefinition ocirepositories.source.toolkit.fluxcd.io",
		"Deployment fluxd",
		"Namespace flux-system",
		"NetworkPolicy allow-egress",
		"NetworkPolicy allow-scraping",
		"ResourceQuota critical-pods-flux-system",
		"Role fluxd-leader-election",
		"RoleBinding fluxd-leader-election",
		"ServiceAccount fluxd", "ServiceAccount helm-controller", "ServiceAccount kustomize-controller", "ServiceAccount source-controller",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What is added to a cluster that has Flux must not touch what Flux has there.
func TestObjectsBesideFlux(t *testing.T) {
	var got []string
	for _, o := range objects(t, deploy+"/fluxd") {
		got = append(got, o.GetKind()+" "+o.GetName())
		if o.GetLabels()["app.kubernetes.io/part-of"] != "flux" {
			t.Errorf("%s %s lacks the label part-of", o.GetKind(), o.GetName())
		}
	}
	slices.Sort(got)
	want := []string{
		"ClusterRole fluxd-flux-system",
		"ClusterRoleBinding fluxd-flux-system",
		"ClusterRoleBinding fluxd-reconciler-flux-system",
		"Deployment fluxd",
		"Role fluxd-leader-election",
		"RoleBinding fluxd-leader-election",
		"ServiceAccount fluxd",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// flux finds, judges and removes an installation by these labels.
func TestLabels(t *testing.T) {
	want := map[string]string{
		"app.kubernetes.io/part-of":    "flux",
		"app.kubernetes.io/instance":   "flux-system",
		"app.kubernetes.io/version":    "v2.9.0",
		"app.kubernetes.io/managed-by": "fluxd",
	}
	for _, o := range installed(t) {
		for key, value := range want {
			if got := o.GetLabels()[key]; got != value {
				t.Errorf("%s %s: label %s is %q, not %q", o.GetKind(), o.GetName(), key, got, value)
			}
		}
	}
}

func TestDeployment(t *testing.T) {
	d := deployment(t).Object
	for name, want := range map[string]struct {
		path  []any
		value any
	}{
		"acts alone":                            {[]any{"spec", "replicas"}, float64(1)},
		"frees its memory before the next":      {[]any{"spec", "strategy", "type"}, "Recreate"},
		"is selected by its name alone":         {[]any{"spec", "selector"}, map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/name": "fluxd"}}},
		"has the labels that flux logs selects": {[]any{"spec", "template", "metadata", "labels"}, map[string]any{"app": "fluxd", "app.kubernetes.io/name": "fluxd", "app.kubernetes.io/component": "fluxd", "app.kubernetes.io/part-of": "flux", "app.kubernetes.io/instance": "flux-system", "app.kubernetes.io/version": "v2.9.0"}},
		"is scraped":                            {[]any{"spec", "template", "metadata", "annotations"}, map[string]any{"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}},
		"is nobody":                             {[]any{"spec", "template", "spec", "securityContext", "runAsNonRoot"}, true},
		"is called manager":                     {[]any{"spec", "template", "spec", "containers", 0, "name"}, "manager"},
		"has a tag":                             {[]any{"spec", "template", "spec", "containers", 0, "image"}, image},
		"can do nothing to its node": {[]any{"spec", "template", "spec", "containers", 0, "securityContext"}, map[string]any{
			"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
			"capabilities": map[string]any{"drop": []any{"ALL"}}, "seccompProfile": map[string]any{"type": "RuntimeDefault"},
		}},
		"fits a small node":     {[]any{"spec", "template", "spec", "containers", 0, "resources", "limits"}, map[string]any{"memory": "128Mi"}},
		"is probed for life":    {[]any{"spec", "template", "spec", "containers", 0, "livenessProbe", "httpGet"}, map[string]any{"path": "/healthz", "port": "healthz"}},
		"is probed for work":    {[]any{"spec", "template", "spec", "containers", 0, "readinessProbe", "httpGet"}, map[string]any{"path": "/readyz", "port": "healthz"}},
		"knows its namespace":   {[]any{"spec", "template", "spec", "containers", 0, "env", 0, "name"}, "RUNTIME_NAMESPACE"},
		"has temp first":        {[]any{"spec", "template", "spec", "volumes", 0, "name"}, "temp"},
		"has data second":       {[]any{"spec", "template", "spec", "volumes", 1, "name"}, "data"},
		"has the second flag":   {[]any{"spec", "template", "spec", "containers", 0, "args", 1}, "--watch-all-namespaces=true"},
		"has the log level 3rd": {[]any{"spec", "template", "spec", "containers", 0, "args", 2}, "--log-level=info"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want.value, at(t, d, want.path...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeterminism(t *testing.T) {
	first, err := render(deploy, image)
	if err != nil {
		t.Fatal(err)
	}
	second, err := render(deploy, image)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first), string(second)); diff != "" {
		t.Error(diff)
	}
}

func TestOtherRegistry(t *testing.T) {
	manifests, err := render(deploy, "registry.example:5000/edge/fluxd:v1")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(manifests), "image: registry.example:5000/edge/fluxd:v1\n") {
		t.Error("the image was not replaced")
	}
}
