package install

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestReference(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for name, tt := range map[string]struct {
		o    Options
		want string // empty is refused
	}{
		"as it comes":           {Options{Image: "fluxd/fluxd", Version: "v1"}, "fluxd/fluxd:v1"},
		"a tag":                 {Options{Image: "fluxd/fluxd:v2", Version: "v1"}, "fluxd/fluxd:v2"},
		"a port":                {Options{Image: "registry.example:5000/fluxd", Version: "v1"}, "registry.example:5000/fluxd:v1"},
		"a registry":            {Options{Image: "fluxd/fluxd", Registry: "registry.example:5000/edge/", Version: "v1"}, "registry.example:5000/edge/fluxd:v1"},
		"a registry and a tag":  {Options{Image: "fluxd/other:v2", Registry: "example.com", Version: "v1"}, "example.com/other:v2"},
		"a digest beside a tag": {Options{Image: "fluxd/fluxd:v2" + digest}, "fluxd/fluxd:v2" + digest},
		"a digest gets a tag":   {Options{Image: "fluxd/fluxd" + digest, Version: "v1"}, "fluxd/fluxd:v1" + digest},
		"no tag":                {Options{Image: "fluxd/fluxd"}, ""},
		"an empty tag":          {Options{Image: "fluxd:"}, ""},
		"no image":              {Options{Version: "v1"}, ""},
		"something else":        {Options{Image: "no image at all", Version: "v1"}, ""},
	} {
		got, err := tt.o.Reference()
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := (Options{Image: "x"}).Reference(); !errors.Is(err, ErrNoTag) {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultOptions("v1").Validate(); err != nil {
		t.Error(err)
	}
	bad := Options{Namespace: "A", Image: "-", LogLevel: "loud", ClusterDomain: "-", ImagePullSecret: "_", TolerationKeys: []string{"a b"}, Version: "v1"}
	err := bad.Validate()
	for _, flag := range []string{"--namespace", "--image", "--log-level", "--cluster-domain", "--image-pull-secret", "--toleration-keys"} {
		if err == nil || !strings.Contains(err.Error(), flag+": ") {
			t.Errorf("no %s in %v", flag, err)
		}
	}
}

// Flags of the last time count where none is given now.
func TestRecall(t *testing.T) {
	then := DefaultOptions("v1")
	then.LogLevel, then.NetworkPolicy, then.TolerationKeys = "debug", false, []string{"a", "b"}
	flags := then.Flags("v1")
	if diff := cmp.Diff([]string{"--log-level=debug", "--network-policy=false", "--toleration-keys=a,b"}, flags); diff != "" {
		t.Error(diff)
	}
	if flags := DefaultOptions("v1").Flags("v2"); len(flags) > 0 {
		t.Errorf("the version is kept: %v", flags)
	}
	now := DefaultOptions("v2")
	given := pflag.NewFlagSet("", pflag.ContinueOnError)
	now.Register(given)
	if err := given.Parse([]string{"--log-level=info"}); err != nil {
		t.Fatal(err)
	}
	got, err := now.Recall(append(flags, "--of-a-later-version=x"), given)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultOptions("v2")
	want.NetworkPolicy, want.TolerationKeys = false, []string{"a", "b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := now.Recall([]string{"--network-policy=maybe"}, nil); err == nil {
		t.Error("nonsense is recalled")
	}
}

func TestManifests(t *testing.T) {
	o := Options{
		Namespace: "edge", Image: "fluxd/fluxd", Registry: "registry.example.com", Version: "v9", LogLevel: "debug", ClusterDomain: "example.internal",
		ImagePullSecret: "pull", TolerationKeys: []string{"dedicated"},
	}
	objects, err := Manifests(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Encode(objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"flux-system", "NetworkPolicy", "cluster.local"} {
		if strings.Contains(string(text), part) {
			t.Errorf("there is still %q", part)
		}
	}
	for _, part := range []string{
		"name: fluxd-edge\n", "namespace: edge\n", "app.kubernetes.io/instance: edge\n", "image: registry.example.com/fluxd:v9\n", "- --log-level=debug\n",
		"- --watch-all-namespaces=false\n", ".svc.example.internal.", "imagePullSecrets:\n      - name: pull\n", "- key: dedicated\n        operator: Exists\n",
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %q", part)
		}
	}
	again, err := Manifests(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := Encode(again); err != nil || string(second) != string(text) {
		t.Error("the same options yield something else")
	}
	for _, obj := range objects.FromGit() {
		if obj.GetLabels()["app.kubernetes.io/managed-by"] != "" || obj.GetLabels()["app.kubernetes.io/part-of"] != "flux" {
			t.Errorf("%s: %v", obj.GetName(), obj.GetLabels())
		}
	}
}

// both returns all manifests, and those of the process.
func both(t *testing.T, o Options) (all, process Objects) {
	t.Helper()
	all, err := Manifests(t.Context(), o)
	if err == nil {
		process, err = Process(t.Context(), o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all, process
}

// The process and the rest are all there is, and have nothing in common.
func TestProcess(t *testing.T) {
	o := DefaultOptions("v1")
	all, process := both(t, o)
	rest := all.Without(process)
	if len(process) == 0 || len(rest) == 0 || len(rest)+len(process) != len(all) {
		t.Errorf("%d and %d of %d", len(process), len(rest), len(all))
	}
	if len(process.Of("Deployment")) != 1 || len(process.Of("ServiceAccount")) != 1 || len(rest.Of("Deployment", "Role", "RoleBinding")) > 0 {
		t.Error("the process is not what it should be")
	}
}

// What a cluster is for is part of the process, whichever way it comes to the cluster.
func TestProfiles(t *testing.T) {
	if diff := cmp.Diff([]string{"aliases", "edge", "high-availability", "lockdown", "shard"}, Profiles()); diff != "" {
		t.Error(diff)
	}
	o := DefaultOptions("v1")
	o.Namespace, o.Profiles = "elsewhere", Profiles()
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	all, process := both(t, o)
	plain, err := Manifests(t.Context(), DefaultOptions("v1"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := Encode(process)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"--default-service-account=default\n", "--record-events=false\n", "kind: PodDisruptionBudget\n", "replicas: 2\n", "name: fluxd-shard1\n"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %q in the process", part)
		}
	}
	if count := strings.Count(string(text), "--no-cross-namespace-refs=true"); count != 2 {
		t.Errorf("%d of two processes are locked down", count)
	}
	if strings.Contains(string(text), "flux-system") {
		t.Error("a profile does not move with the namespace")
	}
	if len(process.Of("Deployment")) != 2 || len(all.Of("Deployment")) != 6 {
		t.Errorf("%d and %d Deployments", len(process.Of("Deployment")), len(all.Of("Deployment")))
	}
	if added := len(all) - len(plain); added != 6 || len(all.Without(process)) != len(all)-len(process) {
		t.Errorf("%d objects are added, %d of %d are the process", added, len(process), len(all))
	}
	if diff := cmp.Diff([]string{"--profile=aliases,edge,high-availability,lockdown,shard"}, o.Flags("v1")); diff != "" {
		t.Error(diff)
	}
	again, err := DefaultOptions("v2").Recall(o.Flags("v1"), nil)
	if err != nil || !cmp.Equal(again.Profiles, o.Profiles) {
		t.Errorf("%v, %v", again.Profiles, err)
	}
	for _, bad := range [][]string{{"none"}, {"edge", "edge"}} {
		if err := (Options{Namespace: "a", Image: "b:c", LogLevel: "info", ClusterDomain: "d", Profiles: bad}).Validate(); err == nil || !strings.Contains(err.Error(), "--profile: ") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func object(fields map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: fields}
}
