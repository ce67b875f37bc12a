package install

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const kustomizeDeployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: kustomize-controller
  namespace: edge
  labels: {app.kubernetes.io/part-of: flux}
spec:
  replicas: 0
  template:
    metadata:
      annotations: {kubectl.kubernetes.io/restartedAt: now, other: "1"}
    spec:
      serviceAccountName: kustomize-controller
      containers:
      - name: sidecar
        args: [--mine]
      - name: manager
        args:
        - --events-addr=http://notification-controller.$(RUNTIME_NAMESPACE).svc.cluster.local./
        - --default-service-account=$(ACCOUNT)
        - --x=$(NONE)$$(ACCOUNT)$
        env:
        - {name: RUNTIME_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: ACCOUNT, value: "default-$(RUNTIME_NAMESPACE)"}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: a, key: b}}}
        volumeMounts: [{name: temp, mountPath: /tmp}, {name: age, mountPath: /age}]
`

func deployment(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestControllers(t *testing.T) {
	objects := Objects{deployment(t, kustomizeDeployment)}
	for _, change := range [][2]string{
		{"name: kustomize-controller\n  namespace", "name: notification-controller\n  namespace"}, {"part-of: flux", "part-of: other"}, {"kind: Deployment", "kind: StatefulSet"},
	} {
		objects = append(objects, deployment(t, strings.Replace(kustomizeDeployment, change[0], change[1], 1)))
	}
	found, err := objects.Controllers()
	if err != nil {
		t.Fatal(err)
	}
	want := []Controller{{
		Namespace: "edge", Name: "kustomize-controller", Account: "kustomize-controller", Restarted: "now", Volumes: []string{"temp", "age"},
		Args: []string{"--events-addr=http://notification-controller.edge.svc.cluster.local./", "--default-service-account=default-edge", "--x=$(NONE)$(ACCOUNT)$"},
		Env:  map[string]string{"RUNTIME_NAMESPACE": "edge", "ACCOUNT": "default-edge", "TOKEN": ""},
	}}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	// Arguments that cannot be found are not taken for none.
	if _, err := (Objects{deployment(t, strings.Replace(kustomizeDeployment, "name: manager", "name: main", 1))}).Controllers(); err == nil || !strings.Contains(err.Error(), "edge/kustomize-controller") {
		t.Errorf("error %v", err)
	}
}

func TestSameController(t *testing.T) {
	read := func(old, replaced string) Controller {
		c, err := ReadController(deployment(t, strings.Replace(kustomizeDeployment, old, replaced, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for change, same := range map[[2]string]bool{
		{"replicas: 0", "replicas: 1"}: true, {`other: "1"`, `other: "2"`}: true,
		{"restartedAt: now", "restartedAt: later"}: false, {"$(NONE)", "none"}: false, {"default-$", "other-$"}: false,
	} {
		if read("", "").Same(read(change[0], change[1])) != same {
			t.Errorf("%v: the same is %t", change, !same)
		}
	}
}
