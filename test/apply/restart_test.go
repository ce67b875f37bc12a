package apply

import (
	"testing"
)

func TestWatchesSurviveTheAPIServer(t *testing.T) {
	w := newWorld(t)
	w.apply(four)
	if err := plane.RestartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.kubectl("-n", w.namespace, "patch", "configmap", "config", "--type=merge", "-p", `{"data":{"key":"9"}}`)
	w.await(0)
	equal(t, []string{"ConfigMap/NS/config configured"}, w.apply(four))
}
