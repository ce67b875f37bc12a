package release

import (
	"strings"
	"testing"
	"time"

	helm "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/apply"
)

// An uninstall waits until its objects are gone, unless it is told not to.
func TestUninstallWaits(t *testing.T) {
	for name, c := range map[string]struct {
		wait Wait
		then func(*world)
		text string
	}{
		"until they are gone": {WaitPoller, func(w *world) { delete(w.hold, coreV1+"configmaps/a"); w.edit(coreV1+"configmaps/a", gone) }, ""},
		"until time is up":    {WaitPoller, func(w *world) { w.now = w.now.Add(5 * time.Minute) }, "uninstallation completed with 1 error(s): ConfigMap/apps/a termination timeout"},
		"not at all":          {WaitHooks, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.done(w.install(rendered(configMap("a", "x") + configMap("b", "x"))))
			w.hold[coreV1+"configmaps/a"] = true
			o := options("2")
			o.Wait = c.wait
			step, err := w.Uninstall(t.Context(), w.target, Uninstall{Options: o})
			if c.then != nil {
				w.waits(step, err)("ConfigMap/apps/a")
				c.then(w)
				w.restart()
				step, err = w.Uninstall(t.Context(), w.target, Uninstall{Options: o})
			}
			if c.text != "" {
				w.fails(step, err, c.text)
			} else {
				w.done(step, err)
			}
			if n := len(step.Observed); n == 0 || !step.Observed[n-1].Gone {
				t.Errorf("nothing tells that it is gone: %+v", step.Observed)
			}
			w.equal("history", []string(nil), w.history())
		})
	}
}

// What has become part of another release stays.
func TestUninstallLeavesOthersAlone(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x") + configMap("b", "x"))))
	w.edit(coreV1+"configmaps/a", setField("other", "metadata", "annotations", "meta.helm.sh/release-name"))
	step := w.done(w.Uninstall(t.Context(), w.target, Uninstall{Options: options("2")}))
	w.equal("objects", []string{"configmaps/a"}, w.paths())
	if len(step.Warnings) != 1 || !strings.Contains(step.Warnings[0], "ConfigMap/apps/a") {
		t.Errorf("warnings %q", step.Warnings)
	}
}

// An upgrade that has failed does not hide what the revision before it has deployed.
func TestUninstallAfterAFailure(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x"))))
	w.refuse = func(verb, path string) error { return refused(verb, path, "configmaps/b") }
	s, err := w.upgrade(rendered(configMap("b", "x")))
	w.fails(s, err, "forbidden")
	w.refuse = nil
	w.done(w.Uninstall(t.Context(), w.target, Uninstall{Options: options("3")}))
	w.equal("objects", []string(nil), w.paths())
}

// Objects that are refused keep the release, and the next try begins anew.
func TestUninstallIsRefused(t *testing.T) {
	w := newWorld(t)
	w.done(w.install(rendered(configMap("a", "x"), hookOf("h", 0, "", helm.HookPreDelete))))
	w.made = w.finish("")
	w.refuse = func(verb, path string) error {
		if verb == "DELETE" && strings.HasSuffix(path, "configmaps/a") {
			return forbidden("configmaps")
		}
		return nil
	}
	step, err := w.Uninstall(t.Context(), w.target, Uninstall{Options: options("2")})
	w.fails(step, err, "failed to delete release: web: ")
	w.equal("history", []string{"1 uninstalling: Deletion in progress (or silently failed)"}, w.history())
	first := w.get(batchV1 + "jobs/h").GetUID()
	w.refuse = nil
	w.done(w.Uninstall(t.Context(), w.target, Uninstall{Options: options("3")}))
	if w.get(batchV1+"jobs/h").GetUID() == first {
		t.Error("the next try has not run the hook")
	}
}

func TestTests(t *testing.T) {
	hooks := []*Hook{hookOf("a", 0, "", helm.HookTest), hookOf("b", 1, "", helm.HookTest), hookOf("other", 0, "", helm.HookPostUpgrade)}
	for name, c := range map[string]struct {
		test   Test
		broken string
		ran    []string
		text   string
	}{
		"all":                        {Test{}, "", []string{"jobs/a", "jobs/b"}, ""},
		"some":                       {Test{Include: []string{"b"}}, "", []string{"jobs/b"}, ""},
		"but one":                    {Test{Exclude: []string{"b"}}, "", []string{"jobs/a"}, ""},
		"what is both is not":        {Test{Include: []string{"a", "b"}, Exclude: []string{"b"}}, "", []string{"jobs/a"}, ""},
		"none of the name":           {Test{Include: []string{"c"}}, "", nil, ""},
		"the first that fails is it": {Test{}, "a", []string{"jobs/a"}, "the hook Job/apps/a has failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.done(w.install(rendered("", hooks...)))
			digest := w.observed(t).Digest
			w.made = w.finish(c.broken)
			c.test.Options = options("2")
			step, err := w.Test(t.Context(), w.target, c.test)
			if c.text != "" {
				w.fails(step, err, c.text)
			} else {
				w.done(step, err)
			}
			w.equal("ran", c.ran, w.paths())
			w.equal("history", []string{"1 deployed: Install complete"}, w.history())
			o := w.observed(t)
			w.equal("digest, which tests do not change", digest, o.Digest)
			w.equal("observed", o.Tests, step.Observed[0].Tests)
			for _, test := range []string{"a", "b"} {
				ran := false
				for _, r := range c.ran {
					ran = ran || r == "jobs/"+test
				}
				if (o.Tests[test].Phase != "") != ran {
					t.Errorf("%s: %+v", test, o.Tests[test])
				}
			}
		})
	}
}

func (w *world) observed(t *testing.T) Observation {
	t.Helper()
	w.restart()
	o, err := w.Last(t.Context(), w.target, Tag{})
	if err != nil {
		t.Fatal(err)
	}
	return *o
}

// Rules of the spec are asked about objects, and about hooks of their kinds.
func TestCustomRules(t *testing.T) {
	w := newWorld(t)
	w.target.Health = NewHealth(map[schema.GroupKind]apply.Rule{{Group: "example.com"}: func(obj map[string]any) (s kstatus, why string, err error) {
		if ok, _, _ := unstructured.NestedBool(obj, "status", "ok"); ok {
			return "Current", "", nil
		}
		return "InProgress", "not ok", nil
	}})
	health := w.target.Health
	h := &Hook{Name: "h", Kind: "Widget", Events: []helm.HookEvent{helm.HookPreInstall}, Manifest: doc("Widget", "h", "spec:", "  a: 1")}
	w.waits(w.install(rendered(doc("Widget", "w", "spec:", "  a: 1"), h)))("Widget/apps/h")
	w.edit("/apis/example.com/v1/namespaces/apps/widgets/h", setField(true, "status", "ok"))
	w.restart()
	w.target.Health = health
	w.waits(w.Continue(t.Context(), w.target))("Widget/apps/w")
	w.edit("/apis/example.com/v1/namespaces/apps/widgets/w", setField(true, "status", "ok"))
	w.done(w.Continue(t.Context(), w.target))
}

// An API server that is away makes no action fail, until its time is up.
func TestPatience(t *testing.T) {
	w := newWorld(t)
	w.refuse = func(verb, path string) error {
		if verb == "PATCH" && strings.Contains(path, "configmaps") {
			return unavailable()
		}
		return nil
	}
	step, err := w.install(rendered(configMap("a", "x")))
	if err == nil || step.Done || step.Action != ActionInstall {
		t.Fatalf("%+v (%v)", step, err)
	}
	w.now = w.now.Add(4 * time.Minute)
	w.restart()
	if step, err = w.Continue(t.Context(), w.target); err == nil || step.Done {
		t.Fatalf("%+v (%v)", step, err)
	}
	w.now = w.now.Add(time.Minute)
	step, err = w.Continue(t.Context(), w.target)
	w.fails(step, err, "Unavailable")
}
