package release

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	helm "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// scenario is an action that is interrupted.
type scenario struct {
	// before is what there is already.
	before func(*world)
	// attempt is that of the action, and call begins it, or goes on with it.
	attempt string
	call    func(*world) (Step, error)
	// broken are hooks that fail.
	broken string
	// slow is for hooks that are not done as soon as they are created.
	slow bool
}

func scenarios() map[string]scenario {
	hooks := []*Hook{
		hookOf("pre", 0, "before-hook-creation hook-succeeded", helm.HookPreInstall, helm.HookPreUpgrade, helm.HookPreRollback, helm.HookPreDelete),
		hookOf("kept", 1, "", helm.HookPreInstall, helm.HookPreUpgrade, helm.HookPreRollback),
		hookOf("plain", 2, "hook-failed", helm.HookPreInstall),
		hookOf("both", 1, "before-hook-creation", helm.HookPreInstall, helm.HookPostInstall),
		hookOf("post", 0, "hook-succeeded", helm.HookPostInstall, helm.HookPostUpgrade, helm.HookPostRollback, helm.HookPostDelete),
		hookOf("t1", 0, "", helm.HookTest), hookOf("t2", 1, "hook-succeeded", helm.HookTest),
	}
	one := rendered(configMap("a", "1")+configMap("b", "1"), hooks...)
	two := rendered(configMap("a", "2")+configMap("c", "1"), hooks...)
	installed := func(w *world) { w.done(w.install(one)) }
	upgraded := func(w *world) { installed(w); w.done(w.upgrade(two)) }
	failed := func(w *world) {
		installed(w)
		w.refuse = func(verb, path string) error { return refused(verb, path, "configmaps/c") }
		s, err := w.upgrade(two)
		w.fails(s, err, "forbidden")
		w.refuse = nil
	}
	back := func(w *world) (Step, error) {
		return w.Rollback(w.t.Context(), w.target, Rollback{Options: options("3/rollback"), Version: 1})
	}
	uninstall := func(keep bool) func(*world) (Step, error) {
		return func(w *world) (Step, error) {
			return w.Uninstall(w.t.Context(), w.target, Uninstall{Options: options("4/uninstall"), KeepHistory: keep})
		}
	}
	return map[string]scenario{
		"install": {nil, "1/install", func(w *world) (Step, error) { return w.install(one) }, "", false},
		"install, into a namespace": {nil, "1/install", func(w *world) (Step, error) {
			return w.install(one, func(in *Install) { in.CreateNamespace = true })
		}, "", false},
		"install that fails": {nil, "1/install", func(w *world) (Step, error) { return w.install(one) }, "plain", false},
		"install over one that was uninstalled": {
			func(w *world) { installed(w); w.done(uninstall(true)(w)) }, "1/install",
			func(w *world) (Step, error) { return w.install(one, func(in *Install) { in.Replace = true }) }, "", false,
		},
		"install by the client": {nil, "1/install", func(w *world) (Step, error) {
			return w.install(one, func(in *Install) { in.Method = ClientSide })
		}, "", false},
		"upgrade by the client": {
			func(w *world) { w.done(w.install(one, func(in *Install) { in.Method = ClientSide })) }, "2/upgrade",
			func(w *world) (Step, error) {
				return w.upgrade(two, func(up *Upgrade) { up.Method, up.CleanupOnFail = ClientSide, true })
			}, "post", false,
		},
		"install that takes its time": {nil, "1/install", func(w *world) (Step, error) { return w.install(one) }, "", true},
		"upgrade that takes its time": {installed, "2/upgrade", func(w *world) (Step, error) { return w.upgrade(two) }, "", true},
		"upgrade":                     {installed, "2/upgrade", func(w *world) (Step, error) { return w.upgrade(two) }, "", false},
		"upgrade, with room for two": {upgraded, "2b/upgrade", func(w *world) (Step, error) {
			return w.upgrade(one, func(up *Upgrade) { up.MaxHistory, up.Attempt = 2, "2b/upgrade" })
		}, "", false},
		"upgrade that fails": {installed, "2/upgrade", func(w *world) (Step, error) { return w.upgrade(two) }, "kept", false},
		"upgrade that fails late, and cleans up": {installed, "2/upgrade", func(w *world) (Step, error) {
			return w.upgrade(two, func(up *Upgrade) { up.CleanupOnFail = true })
		}, "post", false},
		"rollback":            {failed, "3/rollback", back, "", false},
		"rollback that fails": {failed, "3/rollback", back, "kept", false},
		"test": {installed, "5/test", func(w *world) (Step, error) {
			return w.Test(w.t.Context(), w.target, Test{Options: options("5/test")})
		}, "", false},
		"test that fails": {installed, "5/test", func(w *world) (Step, error) {
			return w.Test(w.t.Context(), w.target, Test{Options: options("5/test")})
		}, "t2", false},
		"uninstall":                    {upgraded, "4/uninstall", uninstall(false), "", false},
		"uninstall, and keep":          {upgraded, "4/uninstall", uninstall(true), "", false},
		"uninstall that fails":         {upgraded, "4/uninstall", uninstall(false), "pre", false},
		"uninstall that fails late":    {upgraded, "4/uninstall", uninstall(true), "post", false},
		"uninstall what is kept":       {func(w *world) { upgraded(w); w.done(uninstall(true)(w)) }, "4b/uninstall", uninstall(false), "", false},
		"uninstall in spite of an end": {failed, "4/uninstall", uninstall(false), "", false},
		"unlock": {func(w *world) {
			installed(w)
			w.pending()
		}, "6/unlock", func(w *world) (Step, error) { return w.Unlock(w.t.Context(), w.target, options("6/unlock")) }, "", false},
	}
}

// refused refuses a write of one object, as somebody who may not.
func refused(verb, path, object string) error {
	if verb != "DELETE" && strings.HasSuffix(path, object) {
		return forbidden(object)
	}
	return nil
}

// end is what is left when everything is over.
type end struct {
	History []string
	Objects []string
	Made    map[string]int // how often each hook was created
	Failure string
}

// A process that is killed between any two writes, once, leads to the same end as one
// that is not, and so does one that lives on without the answer to any write.
func TestKilledAnywhere(t *testing.T) {
	for name, s := range scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := newWorld(t)
			if s.before != nil {
				start.made = start.finish("")
				s.before(start)
			}
			want, _ := s.play(t, start.plane, -1, false)
			n := 1
			for died := true; died; n += stride {
				for _, lost := range []bool{false, true} {
					var got end
					if got, died = s.play(t, start.plane, n, lost); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("killed at write %d (done: %v):\n got %+v\nwant %+v", n, lost, got, want)
					}
				}
				if n > 200 {
					t.Fatal("there is no end")
				}
			}
			if n < 3 {
				t.Errorf("only %d writes", n)
			}
		})
	}
}

// play runs a scenario in which the API server dies at the n-th write. With lost, the
// write is done, and the process lives on when the server does; otherwise neither, and
// another process takes over.
func (s scenario) play(t *testing.T, start *plane, n int, lost bool) (end, bool) {
	w := newWorld(t)
	w.plane.objects, w.plane.version = maps.Clone(start.objects), start.version
	e := end{Made: map[string]int{}}
	finish := w.finish(s.broken)
	w.made = func(path string, obj *unstructured.Unstructured) {
		if obj.GetKind() == "Job" {
			e.Made[obj.GetName()]++
		}
		if !s.slow {
			finish(path, obj)
		}
	}
	w.revive(n, lost)
	died := false
	for tries := 0; ; tries++ {
		if tries > 50 {
			t.Fatal("there is no end")
		}
		over, failure, err := s.once(w)
		if s.slow {
			w.finishAll()
		}
		if w.dead() {
			died = true
			if !lost {
				w.restart()
			}
			w.revive(-1, false)
			continue
		}
		if err != nil {
			t.Fatalf("killed at write %d (done: %v): %v", n, lost, err)
		}
		if over {
			e.Failure = failure
			break
		}
	}
	e.History, e.Objects = w.history(), w.paths()
	return e, died
}

// once is one reconcile: it looks, and acts unless there is nothing left to do.
func (s scenario) once(w *world) (over bool, failure string, err error) {
	o, err := w.Last(w.t.Context(), w.target, Tag{})
	if err != nil {
		return false, "", err
	}
	if o != nil && o.Attempt == s.attempt && !o.Underway {
		return true, o.Failure, nil
	}
	if o == nil && strings.HasSuffix(s.attempt, "uninstall") {
		return true, "", nil
	}
	step, err := s.call(w)
	if err != nil || !step.Done {
		return false, "", err
	}
	if step.Failure != nil {
		failure = step.Failure.Error()
	}
	return true, failure, nil
}

// finish lets Jobs end as soon as they are created, those named broken badly.
func (w *world) finish(broken string) func(string, *unstructured.Unstructured) {
	return func(_ string, obj *unstructured.Unstructured) {
		if obj.GetKind() != "Job" {
			return
		}
		how := "Complete"
		if slices.Contains(strings.Fields(broken), obj.GetName()) {
			how = "Failed"
		}
		complete(how)(obj)
	}
}

// finishAll lets the Jobs that there are end.
func (w *world) finishAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, live := range w.objects {
		if live.GetKind() == "Job" && live.Object["status"] == nil {
			w.put(path, live, complete("Complete")(live.DeepCopy()), false)
		}
	}
}

// pending leaves the release as somebody does who has died in an upgrade.
func (w *world) pending() {
	rev, err := w.target.read(w.t.Context(), 1)
	if err != nil {
		w.t.Fatal(err)
	}
	rev.mark, rev.info.Status = nil, statusPendingUpgrade
	if err := w.target.update(w.t.Context(), rev, w.now); err != nil {
		w.t.Fatal(err)
	}
}
