package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/install"
)

// builtWorld is what a cluster would have: fluxd with a profile, a Flux controller with more
// arguments, and the Kustomization that all comes from, with its account.
func builtWorld(t *testing.T, profiles []string, more, account string) install.Objects {
	t.Helper()
	o := install.DefaultOptions("v1")
	o.Profiles = profiles
	objects, err := install.Process(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c := controller(api.ComponentKustomize, more)
	args := make([]any, len(c.Args))
	for i, arg := range c.Args {
		args[i] = arg
	}
	stock := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": c.Name, "namespace": c.Namespace, "labels": map[string]any{"app.kubernetes.io/part-of": "flux"}},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": "manager", "args": args}},
		}}},
	}}
	spec := map[string]any{"path": "./"}
	if account != "" {
		spec["serviceAccountName"] = account
	}
	root := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"name": "flux-system", "namespace": "flux-system"}, "spec": spec,
	}}
	return append(objects, stock, root)
}

// What would not start, or would lock itself out, is found before it is pushed.
func TestVerify(t *testing.T) {
	lockdown := []string{"lockdown"}
	for name, tt := range map[string]struct {
		profiles      []string
		more, account string
		refused       string
	}{
		"as it comes":                         {nil, "", "", ""},
		"two processes":                       {[]string{"shard"}, "", "", ""},
		"locked down":                         {lockdown, "", "kustomize-controller", ""},
		"locked out":                          {lockdown, "", "", "patch spec.serviceAccountName to kustomize-controller"},
		"locked down as a controller was":     {nil, "--default-service-account=default", "kustomize-controller", ""},
		"locked out as a controller was":      {nil, "--default-service-account=default", "", `applied as "default"`},
		"a mistake in a controller's patches": {nil, "--no-such-flag", "", "flux-system/kustomize-controller"},
	} {
		err := verify(builtWorld(t, tt.profiles, tt.more, tt.account), "flux-system")
		if (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.refused)
		}
	}
}

// What a Flux controller has that fluxd lacks is told.
func TestPreflight(t *testing.T) {
	c := controller(api.ComponentKustomize, "--concurrent=20")
	c.Env = map[string]string{"RUNTIME_NAMESPACE": "", "GOMEMLIMIT": "", "HTTPS_PROXY": "http://proxy", "NO_PROXY": "x"}
	c.Volumes = []string{"temp", "age"}
	c.Identity = map[string]string{"eks.amazonaws.com/role-arn": "a", "iam.gke.io/gcp-service-account": "b"}
	fluxd := install.Controller{
		Namespace: "flux-system", Name: "fluxd", Args: strings.Fields(deployed), Env: map[string]string{"NO_PROXY": "x"}, Volumes: []string{"temp", "data"},
		Identity: map[string]string{"iam.gke.io/gcp-service-account": "b"},
	}
	taken, lost, err := preflight([]install.Controller{c}, fluxd)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"flux-system/kustomize-controller --concurrent=20"}, taken); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"flux-system/kustomize-controller has the variable HTTPS_PROXY, and fluxd has not",
		"flux-system/kustomize-controller mounts the volume age, and fluxd does not",
		"the ServiceAccount of flux-system/kustomize-controller has the annotation eks.amazonaws.com/role-arn, and that of fluxd has not",
	}
	if diff := cmp.Diff(want, lost); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []install.Controller{controller(api.ComponentHelm, "--no-such-flag"), controller(api.ComponentHelm, "--watch-all-namespaces=false")} {
		if _, _, err := preflight([]install.Controller{bad}, fluxd); err == nil {
			t.Errorf("%v is taken", bad.Args)
		}
	}
}
