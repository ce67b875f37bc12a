package apply

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/apply"
)

func TestPruneCosts(t *testing.T) {
	w := newWorld(t)
	w.apply(four)
	asked := w.counted(func() {
		changes, remaining, err := w.Prune(t.Context(), w.owner, w.inv)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, 4, len(changes))
		equal(t, 0, len(remaining))
	})
	equal(t, map[string]int{"configmaps delete": 1, "secrets delete": 1, "services delete": 1, "apps/deployments delete": 1}, asked)
	w.quiet()
	equal(t, "", w.jsonpath("{.items[*].metadata.name}", "deployment,service,secret"))
}

// The record says that an object is ours; by the time of the delete it has been
// replaced by one that is not.
func TestPruneDoesNotDeleteWhatReplacedTheObject(t *testing.T) {
	w := newWorld(t, func(c *apply.Config) { c.NoWatch = true }) // so that the record stays behind
	w.apply(four)
	w.kubectl("-n", w.namespace, "delete", "configmap", "config")
	w.kubectl("-n", w.namespace, "create", "configmap", "config", "--from-literal=mine=yes")
	changes, _, err := w.Prune(t.Context(), w.owner, w.inv)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "ConfigMap/"+w.namespace+"/config skipped", changes[len(changes)-1].String())
	equal(t, "yes", w.jsonpath("{.data.mine}", "configmap/config"))
}

func TestWithoutWatchesTheIntervalDecides(t *testing.T) {
	w := newWorld(t, func(c *apply.Config) { c.NoWatch = true })
	w.apply(four)
	asked := w.counted(func() { equal(t, []string(nil), w.apply(four)) })
	equal(t, map[string]int{"configmaps get": 1, "secrets get": 1, "services get": 1, "apps/deployments get": 1}, asked)
	w.kubectl("-n", w.namespace, "patch", "configmap", "config", "--type=merge", "-p", `{"data":{"key":"9"}}`)
	equal(t, []string{"ConfigMap/NS/config configured"}, w.apply(four))
	r, err := w.Health(t.Context(), w.owner, w.inv)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Healthy() && r.Recheck == 0 {
		t.Error("nobody will look again")
	}
}

func TestTwoOwnersOfOneObjectDoNotFight(t *testing.T) {
	w := newWorld(t)
	const theirs = `
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS}
data: {key: "theirs"}
`
	w.apply(four)
	p, err := w.Plan(t.Context(), apply.Request{Owner: apply.Owner{Namespace: w.namespace, Name: "other"}, Objects: w.objects(theirs)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.quiet()
	changes, _, err := w.Prune(t.Context(), w.owner, w.inv)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "ConfigMap/"+w.namespace+"/config skipped", changes[len(changes)-1].String())
}
