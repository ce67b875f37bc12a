package apply

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestInstallCostsADryRunAndAnApplyEach(t *testing.T) {
	w := newWorld(t)
	out, err := w.pass(Request{Objects: []*unstructured.Unstructured{
		configMap("b", "1"), configMap("a", "1"), object("v1", "Service", "default", "s", nil),
	}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a created", "ConfigMap/default/b created", "Service/default/s created"}, lines(out.Changes))
	equal(t, []string{
		"apply configmaps a", "apply configmaps b", "apply services s",
		"dry configmaps a", "dry configmaps b", "dry services s",
	}, w.api.requests())
	w.settled()
	if n := w.drain(); n != 0 {
		t.Errorf("own writes woke the owner %d times", n)
	}
}

func TestUnchangedCostsNothing(t *testing.T) {
	w := newWorld(t)
	objects := []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1")}
	for range 3 {
		if _, err := w.pass(Request{Objects: objects}); err != nil {
			t.Fatal(err)
		}
		w.settled()
	}
	w.api.requests()
	p, err := w.Plan(t.Context(), Request{Owner: owner(), Objects: objects, Inventory: w.inv})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Unchanged() {
		t.Error("the plan has something to do")
	}
	out, err := w.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a unchanged", "ConfigMap/default/b unchanged"}, lines(out.Changes))
	equal(t, []string(nil), w.api.requests())
}

func TestOneChangeIsOneRequest(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1")}})
	w.settled()
	w.api.requests()
	out, err := w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "2")}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a unchanged", "ConfigMap/default/b configured"}, lines(out.Changes))
	equal(t, []string{"apply configmaps b"}, w.api.requests())
}

func TestRestartComparesAndWritesNothing(t *testing.T) {
	w := newWorld(t)
	objects := []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1")}
	_, _ = w.pass(Request{Objects: objects})
	again := newWorld(t, func(c *Config) { c.Dynamic = w.api })
	again.inv = w.inv
	w.api.requests()
	out, err := again.pass(Request{Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a unchanged", "ConfigMap/default/b unchanged"}, lines(out.Changes))
	equal(t, []string{"dry configmaps a", "dry configmaps b"}, w.api.requests())
	out, _ = again.pass(Request{Objects: objects})
	equal(t, 2, len(out.Changes))
	equal(t, []string(nil), w.api.requests())
}

func TestDrift(t *testing.T) {
	k := key{"default", "a"}
	tests := map[string]struct {
		drift func(*world)
		wakes bool
		write []string
	}{
		"an edit of a field of ours": {
			func(w *world) { w.api.edit(configMaps(), k, "somebody", "2", "data", "key") },
			true, []string{"apply configmaps a"},
		},
		"an edit with kubectl": { // there may be something to take over
			func(w *world) { w.api.edit(configMaps(), k, "kubectl-edit", "2", "data", "key") },
			true, []string{"apply configmaps a", "dry configmaps a"},
		},
		"a removed field of ours": {
			func(w *world) { w.api.edit(configMaps(), k, "kubectl-edit", nil, "data", "key") },
			true, []string{"apply configmaps a", "dry configmaps a"},
		},
		"a field of somebody else": {
			func(w *world) { w.api.edit(configMaps(), k, "other", "2", "data", "other") },
			false, nil,
		},
		"status": {
			func(w *world) { w.api.status(configMaps(), k, map[string]any{"x": "y"}) },
			false, nil,
		},
		"a deleted object": {
			func(w *world) { w.api.remove(configMaps(), k) },
			true, []string{"apply configmaps a", "dry configmaps a"},
		},
		"the labels taken off": {
			func(w *world) {
				w.api.edit(configMaps(), k, "other", nil, "metadata", "labels", "kustomize.toolkit.fluxcd.io/name")
			},
			true, []string{"apply configmaps a", "dry configmaps a"},
		},
		"the labels of another owner": {
			func(w *world) {
				w.api.edit(configMaps(), k, "other", "b", "metadata", "labels", "kustomize.toolkit.fluxcd.io/name")
			},
			false, []string{"apply configmaps a", "dry configmaps a"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			objects := []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1")}
			_, _ = w.pass(Request{Objects: objects})
			w.settled()
			w.api.requests()
			test.drift(w)
			if test.wakes {
				w.awaitWake()
			}
			w.settled()
			equal(t, 0, w.drain())
			if _, err := w.pass(Request{Objects: objects}); err != nil {
				t.Fatal(err)
			}
			equal(t, test.write, w.api.requests())
			w.settled()
			equal(t, 0, w.drain())
			if got := text(w.api.object(configMaps(), k), "data", "key"); got != "1" {
				t.Errorf("data.key is %q after the pass", got)
			}
		})
	}
}

func TestNothingIsWrittenUnlessTheStagePasses(t *testing.T) {
	w := newWorld(t)
	w.api.refuse = func(verb string, e Entry, _ *unstructured.Unstructured) error {
		if e.Name == "a" || e.Name == "c" {
			return apierrors.NewBadRequest("no " + e.Name)
		}
		return nil
	}
	out, err := w.pass(Request{Objects: []*unstructured.Unstructured{configMap("c", "1"), configMap("b", "1"), configMap("a", "1")}})
	stage, ok := errors.AsType[*StageError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	equal(t, "ConfigMap/default/a dry-run failed (BadRequest): no a\nConfigMap/default/c dry-run failed (BadRequest): no c", err.Error())
	equal(t, false, stage.Written)
	equal(t, []string(nil), lines(out.Changes))
	for _, r := range w.api.requests() {
		if strings.HasPrefix(r, "apply") {
			t.Error("something was written: ", r)
		}
	}
}

func TestStagesWaitForHealth(t *testing.T) {
	w := newWorld(t)
	crd := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.org", map[string]any{
		"spec": map[string]any{
			"group": "example.org", "scope": "Cluster", "names": map[string]any{"kind": "Widget", "plural": "widgets"},
			"versions": []any{map[string]any{"name": "v1", "served": true}},
		},
	})
	objects := []*unstructured.Unstructured{
		object("example.org/v1", "Widget", "bogus", "one", map[string]any{"spec": map[string]any{"size": int64(1)}}), crd,
	}
	out, err := w.pass(Request{Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"CustomResourceDefinition/widgets.example.org created"}, lines(out.Changes))
	equal(t, "CustomResourceDefinition/widgets.example.org", out.Waiting[0].String())
	equal(t, []string{"_widgets.example.org_apiextensions.k8s.io_CustomResourceDefinition", "_one_example.org_Widget"},
		[]string{w.inv[0].ID(), w.inv[1].ID()})
	equal(t, 0, w.mapper.resets)

	w.mapper.add("example.org", "v1", "Widget", "widgets", false)
	w.api.status(crdResource(), key{"", "widgets.example.org"}, map[string]any{
		"conditions": []any{map[string]any{"type": "Established", "status": "True"}},
	})
	w.awaitWake()
	w.api.requests()
	out, err = w.pass(Request{Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"CustomResourceDefinition/widgets.example.org unchanged", "Widget/one created"}, lines(out.Changes))
	equal(t, 0, len(out.Waiting))
	equal(t, []string{"apply widgets one", "dry widgets one"}, w.api.requests())
}

func TestVersionThatItsDefinitionLacksFailsAtOnce(t *testing.T) {
	w := newWorld(t)
	crd := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.org", map[string]any{
		"spec": map[string]any{
			"group": "example.org", "names": map[string]any{"kind": "Widget"},
			"versions": []any{map[string]any{"name": "v1", "served": true}, map[string]any{"name": "v2", "served": false}},
		},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Established", "status": "True"}}},
	})
	for _, version := range []string{"v2", "v3"} {
		_, err := w.pass(Request{Objects: []*unstructured.Unstructured{crd, object("example.org/"+version, "Widget", "n", "one", nil)}})
		equal(t, `Widget/n/one dry-run failed: no matches for kind "Widget" in version "example.org/`+version+`"`, err.Error())
	}
	out, err := w.pass(Request{Objects: []*unstructured.Unstructured{crd, object("example.org/v1", "Widget", "n", "one", nil)}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "Widget/n/one", out.Waiting[0].String()) // not served yet, any moment now
	equal(t, recheckServed, out.Recheck)
}

func TestUnknownKindFailsItsStage(t *testing.T) {
	w := newWorld(t)
	_, err := w.pass(Request{Objects: []*unstructured.Unstructured{object("example.org/v1", "Widget", "", "one", nil)}})
	equal(t, `Widget/one dry-run failed: no matches for kind "Widget" in version "example.org/v1"`, err.Error())
	equal(t, 1, w.mapper.resets)
}

func TestNamespaceIsRequired(t *testing.T) {
	w := newWorld(t)
	_, err := w.pass(Request{Objects: []*unstructured.Unstructured{object("v1", "ConfigMap", "", "a", nil)}})
	equal(t, "ConfigMap/a namespace not specified: the server could not find the requested resource", err.Error())
	equal(t, []string(nil), w.api.requests())
}

func TestMarks(t *testing.T) {
	live := configMap("a", "0")
	tests := map[string]struct {
		exists  *unstructured.Unstructured
		desired *unstructured.Unstructured
		change  string
	}{
		"reconcile disabled in Git":                  {nil, marked(configMap("a", "1"), "reconcile", "Disabled"), "skipped"},
		"reconcile disabled in the cluster":          {marked(configMap("a", "0"), "reconcile", "disabled"), configMap("a", "1"), "skipped"},
		"ssa ignore":                                 {nil, marked(configMap("a", "1"), "ssa", "Ignore"), "skipped"},
		"ssa if not present, absent":                 {nil, marked(configMap("a", "1"), "ssa", "IfNotPresent"), "created"},
		"ssa if not present, present":                {live, marked(configMap("a", "1"), "ssa", "IfNotPresent"), "skipped"},
		"ssa if not present, in the cluster only":    {marked(configMap("a", "0"), "ssa", "IfNotPresent"), configMap("a", "1"), "configured"},
		"an object of nobody is adopted":             {live, configMap("a", "1"), "configured"},
		"an object of nobody with the wanted values": {live, configMap("a", "0"), "configured"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if test.exists != nil {
				w.api.put(configMaps(), w.api.apply(nil, test.exists, "somebody", "default"))
			}
			out, err := w.pass(Request{Objects: []*unstructured.Unstructured{test.desired}})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, []string{"ConfigMap/default/a " + test.change}, lines(out.Changes))
			equal(t, 1, len(out.Inventory))
		})
	}
}

func invalid(name string, causes ...string) error {
	err := &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: name + " is invalid: " + strings.Join(causes, ", "), Details: &metav1.StatusDetails{Name: name},
	}}
	for _, c := range causes {
		f, m, _ := strings.Cut(c, ": ")
		err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Field: f, Message: m})
	}
	return err
}

func TestForce(t *testing.T) {
	immutableField := invalid("a", "data: Forbidden: field is immutable when `immutable` is set")
	tests := map[string]struct {
		force    bool
		desired  *unstructured.Unstructured
		update   error // of the existing object
		create   error // of a twin
		replaced bool
	}{
		"not asked for":               {false, configMap("a", "2"), immutableField, nil, false},
		"by the owner":                {true, configMap("a", "2"), immutableField, nil, true},
		"by a mark":                   {false, marked(configMap("a", "2"), "force", "Enabled"), immutableField, nil, true},
		"of what is invalid anyway":   {true, configMap("a", "2"), invalid("a", "data: Invalid value"), invalid("a-", "data: Invalid value"), false},
		"of what only a name forbids": {true, configMap("a", "2"), immutableField, invalid("a-", "metadata.name: must be plural.group"), true},
		"of what a port forbids": {
			true, configMap("a", "2"), immutableField,
			invalid("a-", "spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated"), true,
		},
		"of what is forbidden": {true, configMap("a", "2"), apierrors.NewForbidden(configMaps().GroupResource(), "a", nil), nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1")}})
			w.settled()
			old := w.api.object(configMaps(), key{"default", "a"}).GetUID()
			w.api.refuse = func(verb string, e Entry, _ *unstructured.Unstructured) error {
				switch {
				case verb == "create-dry":
					return test.create
				case e.Name == "a" && (verb == "dry" || verb == "apply") && w.api.objects[configMaps()][key{"default", "a"}] != nil:
					return test.update
				}
				return nil
			}
			objects := []*unstructured.Unstructured{test.desired, configMap("b", "2")}
			out, err := w.pass(Request{Objects: objects, Force: test.force})
			if !test.replaced {
				if err == nil {
					t.Fatal("no error")
				}
				equal(t, old, w.api.object(configMaps(), key{"default", "a"}).GetUID())
				equal(t, "1", text(w.api.object(configMaps(), key{"default", "b"}), "data", "key"))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, []string{"ConfigMap/default/b configured"}, lines(out.Changes))
			equal(t, "ConfigMap/default/a", out.Waiting[0].String())
			w.awaitWake()
			out, err = w.pass(Request{Objects: objects, Force: test.force})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, []string{"ConfigMap/default/a created", "ConfigMap/default/b unchanged"}, lines(out.Changes))
		})
	}
}

func TestForceDeletesNothingIfAnotherObjectIsRefused(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1")}})
	w.settled()
	w.api.refuse = func(verb string, e Entry, _ *unstructured.Unstructured) error {
		if verb != "dry" {
			return nil
		}
		if e.Name == "a" {
			return invalid("a", "data: field is immutable")
		}
		return apierrors.NewBadRequest("no")
	}
	w.api.requests()
	_, err := w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "2"), configMap("b", "2")}, Force: true})
	if err == nil {
		t.Fatal("no error")
	}
	if slices.ContainsFunc(w.api.requests(), func(s string) bool { return strings.HasPrefix(s, "delete") }) {
		t.Error("something was deleted")
	}
}

func TestTakeoverFromKubectl(t *testing.T) {
	w := newWorld(t)
	was := configMap("a", "0")
	setPath(was.Object, []string{"data", "stray"}, "x")
	setPath(was.Object, []string{"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"}, "{}")
	w.api.put(configMaps(), w.api.apply(nil, was, "kubectl", "default"))
	out, err := w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a configured"}, lines(out.Changes))
	equal(t, []string{"apply configmaps a", "dry configmaps a", "get configmaps a", "patch configmaps a"}, w.api.requests())
	live := w.api.object(configMaps(), key{"default", "a"})
	equal(t, map[string]any{"key": "1"}, live.Object["data"].(map[string]any))
	equal(t, 1, len(live.GetManagedFields()))
	equal(t, 0, len(live.GetAnnotations()))
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
	equal(t, []string(nil), w.api.requests())
}

func TestKubectlEditOfAForeignFieldIsTakenBackAtTheNextPass(t *testing.T) {
	w := newWorld(t)
	objects := []*unstructured.Unstructured{configMap("a", "1")}
	_, _ = w.pass(Request{Objects: objects})
	w.api.edit(configMaps(), key{"default", "a"}, "kubectl-edit", "x", "data", "extra")
	w.settled()
	equal(t, 0, w.drain())
	out, err := w.pass(Request{Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a configured"}, lines(out.Changes))
	equal(t, map[string]any{"key": "1"}, w.api.object(configMaps(), key{"default", "a"}).Object["data"].(map[string]any))
}

func TestUndeclaredFieldsAreLeftOut(t *testing.T) {
	w := newWorld(t)
	w.api.refuse = func(_ string, _ Entry, obj *unstructured.Unstructured) error {
		if field(obj, "spec", "foo") != nil {
			return errors.New(`failed to create typed patch object (default/s; /v1, Kind=Service): .spec.foo: field not declared in schema`)
		}
		return nil
	}
	obj := object("v1", "Service", "default", "s", map[string]any{"spec": map[string]any{"foo": "x", "type": "ClusterIP"}})
	out, err := w.pass(Request{Objects: []*unstructured.Unstructured{obj}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"Service/default/s has a field that Service does not have, and it was left out: .spec.foo"}, out.Warnings)
	w.api.requests()
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{obj}})
	equal(t, []string(nil), w.api.requests())
}

func TestForbiddenKindsAreRead(t *testing.T) {
	w := newWorld(t)
	w.api.forbidden["configmaps"] = true
	objects := []*unstructured.Unstructured{configMap("a", "1"), configMap("b", "1")}
	if _, err := w.pass(Request{Objects: objects}); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.api.requests()
	out, err := w.pass(Request{Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"ConfigMap/default/a unchanged", "ConfigMap/default/b unchanged"}, lines(out.Changes))
	equal(t, []string{"get configmaps a", "get configmaps b"}, w.api.requests())
	w.api.edit(configMaps(), key{"default", "a"}, "somebody", "2", "data", "key")
	out, _ = w.pass(Request{Objects: objects})
	equal(t, []string{"ConfigMap/default/a configured", "ConfigMap/default/b unchanged"}, lines(out.Changes))
}

func TestEncryptedSecret(t *testing.T) {
	w := newWorld(t)
	secret := object("v1", "Secret", "default", "s", map[string]any{"sops": map[string]any{"mac": "x"}, "stringData": map[string]any{"a": "ENC"}})
	_, err := w.pass(Request{Objects: []*unstructured.Unstructured{secret}})
	if !errors.Is(err, ErrEncrypted) {
		t.Fatalf("got %v", err)
	}
	equal(t, "Secret/default/s is SOPS encrypted, configuring decryption is required for this secret to be reconciled", err.Error())
}
