package apply

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/apply"
)

func TestInstallNoopRestartCosts(t *testing.T) {
	w := newWorld(t)
	asked := w.counted(func() {
		equal(t, []string{"ConfigMap/NS/config created", "Secret/NS/secret created", "Service/NS/web created", "Deployment/NS/web created"},
			w.apply(four))
	})
	equal(t, map[string]int{"configmaps patch": 2, "secrets patch": 2, "services patch": 2, "apps/deployments patch": 2}, asked)
	w.quiet() // although the Deployment got a status meanwhile

	asked = w.counted(func() {
		p, err := w.Plan(t.Context(), w.request(four))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, true, p.Unchanged())
		equal(t, []string(nil), w.apply(four))
	})
	equal(t, map[string]int{}, asked)

	versions := w.versions()
	w.start()
	asked = w.counted(func() { equal(t, []string(nil), w.apply(four)) })
	equal(t, map[string]int{"configmaps patch": 1, "secrets patch": 1, "services patch": 1, "apps/deployments patch": 1}, asked)
	equal(t, map[string]int{}, w.counted(func() { equal(t, []string(nil), w.apply(four)) }))

	w.counted(func() { equal(t, []string(nil), w.apply(four, func(r *apply.Request) { r.Resync = true })) })
	equal(t, versions, w.versions())
	w.quiet()
}

// versions are those of what nobody but us writes.
func (w *world) versions() string {
	return w.jsonpath("{.items[*].metadata.resourceVersion}", "configmap/config", "secret/secret", "service/web")
}

func TestOneChangeCostsOneRequest(t *testing.T) {
	w := newWorld(t)
	w.apply(four)
	changed := four + "\n---\n" + `
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS}
data: {key: "2"}
`
	w.inv = nil
	asked := w.counted(func() { equal(t, []string{"ConfigMap/NS/config configured"}, w.apply(changed)) })
	equal(t, map[string]int{"configmaps patch": 1}, asked)
	equal(t, "2", w.jsonpath("{.data.key}", "configmap/config"))
	w.quiet()
}

// Lists that the API server sorts, completes or once returned twice are no drift, not
// even to a process that compares everything.
func TestAutoscalersDoNotDrift(t *testing.T) {
	const autoscaler = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: NS}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 3
  metrics:
  - {type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 70}}}
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
`
	w := newWorld(t)
	equal(t, []string{"HorizontalPodAutoscaler/NS/web created"}, w.apply(autoscaler))
	w.quiet()
	equal(t, map[string]int{}, w.counted(func() { w.apply(autoscaler) }))
	w.start()
	equal(t, []string(nil), w.apply(autoscaler))
	equal(t, []string(nil), w.apply(autoscaler, func(r *apply.Request) { r.Resync = true }))
	w.quiet()
}
