package apply

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/apply"
)

func forced(r *apply.Request) { r.Force = true }

const job = `
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: NS}
spec:
  template:
    metadata: {annotations: {fluxd.test/run-for: 1h}}
    spec: {restartPolicy: Never, containers: [{name: a, image: example.com/a:1}]}
`

func TestImmutableFields(t *testing.T) {
	w := newWorld(t)
	w.apply(job)
	uid := w.jsonpath("{.metadata.uid}", "job/once")
	changed := strings.Replace(job, "a:1", "a:2", 1)

	_, err := w.pass(w.request(changed))
	if err == nil || !strings.HasPrefix(err.Error(), "Job/"+w.namespace+"/once dry-run failed (Invalid): Job.batch \"once\" is invalid: ") ||
		!strings.Contains(err.Error(), "field is immutable") {
		t.Fatalf("got %v", err)
	}
	equal(t, uid, w.jsonpath("{.metadata.uid}", "job/once"))

	equal(t, []string{"Job/NS/once created"}, w.apply(changed, forced))
	equal(t, "example.com/a:2", w.jsonpath("{.spec.template.spec.containers[0].image}", "job/once"))
	if w.jsonpath("{.metadata.uid}", "job/once") == uid {
		t.Error("the Job is still the old one")
	}
	w.quiet()
}

func TestForceByMark(t *testing.T) {
	w := newWorld(t)
	marked := strings.Replace(job, "namespace: NS}", "namespace: NS, annotations: {kustomize.toolkit.fluxcd.io/force: Enabled}}", 1)
	w.apply(marked)
	equal(t, []string{"Job/NS/once created"}, w.apply(strings.Replace(marked, "a:1", "a:2", 1)))
}

func TestForceDoesNotDeleteForWhatIsInvalid(t *testing.T) {
	w := newWorld(t)
	w.apply(four)
	uid := w.jsonpath("{.metadata.uid}", "deployment/web")
	r := w.request(strings.Replace(four, "containerPort: 80", "containerPort: 99999", 1))
	r.Force = true
	_, err := w.pass(r)
	if err == nil || !strings.Contains(err.Error(), "dry-run failed (Invalid)") {
		t.Fatalf("got %v", err)
	}
	equal(t, uid, w.jsonpath("{.metadata.uid}", "deployment/web"))
}

func TestForceOfAServiceThatHoldsItsPort(t *testing.T) {
	w := newWorld(t)
	const service = `
apiVersion: v1
kind: Service
metadata: {name: port, namespace: NS}
spec: {type: NodePort, clusterIP: 10.96.0.77, ports: [{port: 80, nodePort: 30077}]}
`
	w.apply(service)
	equal(t, []string{"Service/NS/port created"}, w.apply(strings.Replace(service, "10.96.0.77", "10.96.0.78", 1), forced))
	equal(t, "30077", w.jsonpath("{.spec.ports[0].nodePort}", "service/port"))
}

func TestForceWaitsForFinalizers(t *testing.T) {
	w := newWorld(t)
	const held = `
apiVersion: v1
kind: ConfigMap
metadata: {name: held, namespace: NS, finalizers: [example.com/hold]}
immutable: true
data: {key: "1"}
`
	w.apply(held)
	changed := strings.Replace(held, `"1"`, `"2"`, 1)
	r := w.request(changed)
	r.Force = true
	out, err := w.pass(r)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, 1, len(out.Waiting))
	r = w.request(changed)
	r.Force = true
	out, err = w.pass(r) // woken or not, it still waits
	if err != nil {
		t.Fatal(err)
	}
	equal(t, 1, len(out.Waiting))
	w.kubectl("-n", w.namespace, "patch", "configmap", "held", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	w.await(0)
	equal(t, []string{"ConfigMap/NS/held created"}, w.apply(changed, forced))
	equal(t, "2", w.jsonpath("{.data.key}", "configmap/held"))
	w.kubectl("-n", w.namespace, "patch", "configmap", "held", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
}

func TestImmutableSecretIsNotQuoted(t *testing.T) {
	w := newWorld(t)
	const secret = `
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: NS}
immutable: true
stringData: {password: hunter2}
`
	w.apply(secret)
	_, err := w.pass(w.request(strings.Replace(secret, "hunter2", "hunter3", 1)))
	if err == nil {
		t.Fatal("no error")
	}
	equal(t, "Secret/"+w.namespace+"/s dry-run failed (Invalid): Secret \"s\" is invalid: data: Forbidden: field is immutable when `immutable` is set", err.Error())
}
