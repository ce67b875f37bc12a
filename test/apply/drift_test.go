package apply

import (
	"testing"
	"time"
)

func TestDriftWakesWithinASecond(t *testing.T) {
	tests := map[string]struct {
		edit    []string
		wakes   bool
		changes []string
	}{
		"an edit of a field of ours": {
			[]string{"patch", "configmap", "config", "--type=merge", "-p", `{"data":{"key":"9"}}`},
			true, []string{"ConfigMap/NS/config configured"},
		},
		"a scale": {
			[]string{"scale", "deployment", "web", "--replicas=3"},
			true, []string{"Deployment/NS/web configured"},
		},
		"a removed field": {
			[]string{"patch", "configmap", "config", "--type=json", "-p", `[{"op":"remove","path":"/data/key"}]`},
			true, []string{"ConfigMap/NS/config configured"},
		},
		"a deleted object": {
			[]string{"delete", "secret", "secret"},
			true, []string{"Secret/NS/secret created"},
		},
		"the ownership label taken off": {
			[]string{"label", "service", "web", "kustomize.toolkit.fluxcd.io/name-"},
			true, []string{"Service/NS/web configured"},
		},
		"all managed fields taken off": {
			[]string{"patch", "configmap", "config", "--type=merge", "-p", `{"metadata":{"managedFields":[{}]}}`},
			true, []string{"ConfigMap/NS/config configured"},
		},
		"a field of somebody else": {
			[]string{"annotate", "configmap", "config", "note=x", "--field-manager=flux-client-side-apply"},
			false, nil,
		},
		"a foreign field by kubectl": { // taken back, but not at once
			[]string{"annotate", "configmap", "config", "note=x"},
			false, []string{"ConfigMap/NS/config configured"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(four)
			w.quiet()
			w.kubectl(append([]string{"-n", w.namespace}, test.edit...)...)
			edited := time.Now() // kubectl returns after the edit
			if test.wakes {
				select {
				case woken := <-w.woken:
					t.Logf("woken %s after kubectl returned", woken.Sub(edited).Round(time.Millisecond))
				case <-time.After(time.Second):
					t.Fatal("not woken within a second")
				}
			} else {
				w.quiet()
			}
			equal(t, test.changes, w.apply(four))
			equal(t, map[string]int{}, w.counted(func() { equal(t, []string(nil), w.apply(four)) }))
			w.quiet()
			equal(t, "1", w.jsonpath("{.data.key}", "configmap/config"))
			equal(t, "1", w.jsonpath("{.spec.replicas}", "deployment/web"))
		})
	}
}
