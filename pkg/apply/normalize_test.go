package apply

import (
	"errors"
	"testing"
)

func TestNormalize(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"what only a server sets": {`
apiVersion: example.org/v1
kind: Widget
metadata:
  name: a
  creationTimestamp: null
  uid: x
  resourceVersion: "1"
  generation: 3
  managedFields: [{manager: x}]
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", keep: me}
  labels: {fluxd: x, fluxcd.io/sync-gc-mark: y}
spec: {nothing: null}
status: {phase: Done}
`, `
apiVersion: example.org/v1
kind: Widget
metadata: {name: a, annotations: {keep: me}, labels: {fluxd: x}}
spec: {nothing: null}
`},
		"nulls of a built-in kind": {`
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec: {replicas: null, template: {metadata: {creationTimestamp: null}, spec: {containers: [{name: a, resources: null}]}}}
`, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec: {template: {metadata: {}, spec: {containers: [{name: a}]}}}
`},
		"a role keeps its nulls": {`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a}
rules: null
`, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a}
rules: null
`},
		"ports of a workload": {`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: a}
spec: {template: {spec: {
  containers: [{name: a, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}],
  initContainers: [{name: i, ports: [{containerPort: 81}]}]}}}
`, `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: a}
spec: {template: {spec: {
  containers: [{name: a, ports: [{containerPort: 80, protocol: TCP}, {containerPort: 53, protocol: UDP}]}],
  initContainers: [{name: i, ports: [{containerPort: 81, protocol: TCP}]}]}}}
`},
		"ports of a cron job": {`
apiVersion: batch/v1
kind: CronJob
metadata: {name: a}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, ports: [{containerPort: 80}]}]}}}}}
`, `
apiVersion: batch/v1
kind: CronJob
metadata: {name: a}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, ports: [{containerPort: 80, protocol: TCP}]}]}}}}}
`},
		"ports of a service": {`
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 80}]}
`, `
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 80, protocol: TCP}]}
`},
		"a service of somebody else": {`
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 80}]}
`, `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 80}]}
`},
		"plain data of a secret wins": {`
apiVersion: v1
kind: Secret
metadata: {name: a}
data: {a: b2xk, b: a2VwdA==}
stringData: {a: new, c: added}
`, `
apiVersion: v1
kind: Secret
metadata: {name: a}
data: {a: bmV3, b: a2VwdA==, c: YWRkZWQ=}
`},
		"a CRD keeps its status, and loses a placeholder of a CA": {`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: a}
spec: {conversion: {webhook: {clientConfig: {caBundle: Cg==, url: u}}}}
status: {storedVersions: [v1]}
`, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: a}
spec: {conversion: {webhook: {clientConfig: {url: u}}}}
status: {storedVersions: [v1]}
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := parse(t, test.in)
			normalize(obj)
			equal(t, parse(t, test.want).Object, obj.Object)
			normalize(obj)
			equal(t, parse(t, test.want).Object, obj.Object)
		})
	}
}

func TestPrepare(t *testing.T) {
	p := preparer{
		labels: Labels{Name: "k/name", Namespace: "k/namespace"}, owner: Owner{"ns", "app"}, prefix: "k",
		common: map[string]string{"team": "x", "k/name": "theirs"}, annotations: map[string]string{"note": "y"},
	}
	obj := parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {team: mine}}}`)
	if err := p.prepare(obj); err != nil {
		t.Fatal(err)
	}
	equal(t, map[string]string{"team": "x", "k/name": "theirs", "k/namespace": "ns"}, obj.GetLabels())
	equal(t, map[string]string{"note": "y"}, obj.GetAnnotations())
}

func TestEncryptedGuard(t *testing.T) {
	tests := map[string]struct {
		obj       string
		encrypted bool
	}{
		"data":          {`{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {}, sops: {mac: x}}`, true},
		"string data":   {`{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {a: ENC}, sops: {mac: x}}`, true},
		"not encrypted": {`{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {a: b}}`, false},
		"left on purpose": {
			`{apiVersion: v1, kind: Secret, metadata: {name: a, annotations: {k/decrypt: Disabled}}, sops: {mac: x}}`, false,
		},
		"a label does not count": {
			`{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {k/decrypt: disabled}}, sops: {mac: x}}`, true,
		},
		"another kind": {`{apiVersion: example.org/v1, kind: Secret, metadata: {name: a}, sops: {mac: x}}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := preparer{prefix: "k"}.prepare(parse(t, test.obj))
			equal(t, test.encrypted, err != nil && errors.Is(err, ErrEncrypted))
		})
	}
}
