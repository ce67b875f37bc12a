package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/test/harness"
)

// moment is one at which a daemon is killed: before the API server gets its nth
// write, or after it has carried it out, which the daemon never hears.
type moment struct {
	write int
	after bool
}

func (m moment) String() string {
	if m.after {
		return fmt.Sprintf("after-%d", m.write)
	}
	return fmt.Sprintf("before-%d", m.write)
}

// killAt has the daemon killed at a moment from now on. The channel is closed then.
func (w *ownWorld) killAt(m moment) (killed <-chan struct{}) {
	done := make(chan struct{})
	kill := func(n int) (others bool) {
		if n == m.write {
			w.kill()
			close(done)
		}
		return n != m.write
	}
	if m.after {
		w.gate.watch(nil, func(n int) { kill(n) })
	} else {
		w.gate.watch(kill, nil)
	}
	return done
}

// dies waits until the daemon was killed.
func (w *ownWorld) dies(killed <-chan struct{}) {
	w.t.Helper()
	comes(w, killed)
	w.gate.watch(nil, nil)
}

// comes waits for what a hook of the gate sends, or for its end.
func comes[T any](w *ownWorld, c <-chan T) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	select {
	case v := <-c:
		return v
	case <-ctx.Done():
		seen := w.gate.seen()
		w.t.Fatalf("the daemon made only %d writes:\n%s", len(seen), strings.Join(seen, "\n"))
		panic("unreachable")
	}
}

var serviceAccounts = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}

// kinds are those of the objects of manyObjects.
var kinds = []schema.GroupVersionResource{harness.ConfigMaps, serviceAccounts, harness.Services}

// manyObjects returns files of objects of several kinds with numbers from first up
// to, but not including, last. Each has the value in an annotation.
func manyObjects(first, last int, value string) files {
	all := files{}
	for i := first; i < last; i++ {
		name := fmt.Sprintf("object-%02d", i)
		metadata := fmt.Sprintf("metadata: {name: %s, namespace: NS, annotations: {key: %q}}\n", name, value)
		text := "apiVersion: v1\nkind: ConfigMap\n" + metadata
		switch i % 5 {
		case 1:
			text = "apiVersion: v1\nkind: ServiceAccount\n" + metadata
		case 2:
			text = "apiVersion: v1\nkind: Service\n" + metadata + "spec: {selector: {app: web}, ports: [{port: 80}]}\n"
		}
		all["app/"+name+".yaml"] = text
	}
	return all
}

// owned returns the objects in the namespace that carry the labels of the
// Kustomization "app": the ids that its inventory would have, and how many there
// are of each value.
func (w *world) owned() (ids []string, values map[string]int) {
	w.t.Helper()
	values = map[string]int{}
	selector := fmt.Sprintf("%s=app,%s=%s", api.LabelKustomizationName, api.LabelKustomizationNamespace, w.namespace)
	for _, gvr := range kinds {
		list, err := w.Dynamic.Resource(gvr).Namespace(w.namespace).List(w.t.Context(), metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range list.Items {
			ids = append(ids, strings.Replace(apply.EntryOf(&list.Items[i]).ID(), w.namespace, "NS", 1))
			values[list.Items[i].GetAnnotations()["key"]]++
		}
	}
	slices.Sort(ids)
	return ids, values
}

// noOrphans fails the test if an object exists that the inventory of "app" lacks.
func (w *world) noOrphans() {
	w.t.Helper()
	owned, _ := w.owned()
	var listed []string
	if app := w.get(harness.Kustomized, "app"); app != nil {
		listed = w.inventory(app)
	}
	for _, id := range owned {
		if !slices.Contains(listed, id) {
			w.t.Errorf("%s exists and is not in the inventory, which has %d entries", id, len(listed))
		}
	}
}

// exact fails the test if the inventory of "app" is not what exists, or if what
// exists has not the values wanted.
func (w *world) exact(want map[string]int) {
	w.t.Helper()
	owned, values := w.owned()
	equal(w.t, "inventory", owned, w.inventory(w.get(harness.Kustomized, "app")))
	equal(w.t, "objects by value", want, values)
}

// deletesAll waits until "app", which was deleted, is gone and has left nothing.
func (w *world) deletesAll() {
	w.t.Helper()
	w.wait(harness.Kustomized, "app", harness.Gone)
	owned, _ := w.owned()
	equal(w.t, "what is left", []string(nil), owned)
}

// moments of an install of 30 objects, which makes about 34 writes: of the source,
// the finalizer, the inventory, the objects, and the outcome.
var installMoments = []moment{
	{1, false}, {1, true}, {2, true}, {3, true}, {4, false}, {4, true}, {12, false}, {20, true}, {32, true}, {33, true},
}

func TestKilledInInstall(t *testing.T) {
	t.Parallel()
	for _, m := range installMoments {
		t.Run(m.String(), func(t *testing.T) {
			w := newOwnWorld(t, manyObjects(0, 30, "1"))
			killed := w.killAt(m)
			w.install()
			w.start()
			w.dies(killed)
			w.noOrphans()
			w.start()
			w.ready("app")
			w.exact(map[string]int{"1": 30})
			w.delete(harness.Kustomized, "app")
			w.deletesAll()
		})
	}
}

// An upgrade that adds ten objects, changes ten and removes ten makes about 33
// writes: of the source, the inventory, what is new or changed, what goes, and the
// outcome.
func TestKilledInUpgradeWithPrune(t *testing.T) {
	t.Parallel()
	for _, m := range []moment{{1, true}, {2, false}, {2, true}, {3, true}, {13, false}, {22, true}, {27, true}, {32, true}} {
		t.Run(m.String(), func(t *testing.T) {
			w := newOwnWorld(t, manyObjects(0, 30, "1"))
			w.install()
			w.start()
			w.ready("app")
			content := manyObjects(20, 40, "2")
			for name := range manyObjects(0, 10, "") {
				content[name] = ""
			}
			commit := w.commit(content)
			killed := w.killAt(m)
			w.request(harness.Sources, "repo")
			w.dies(killed)
			w.noOrphans()
			w.start()
			w.applied("app", commit)
			w.exact(map[string]int{"1": 10, "2": 20})
		})
	}
}
