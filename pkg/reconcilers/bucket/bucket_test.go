package bucket_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
)

func TestNewArtifact(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"test.txt": "test"})
	o := w.object()
	ignore := "*.md"
	o.Spec.Ignore = &ignore
	result := w.ready(o)

	const hex = "b4c2a60ce44b67f5b659a95ce4e4cc9e2a86baf13afb72bd397c5384cbc0e479"
	const message = "stored artifact: revision 'sha256:" + hex + "'"
	if result.Reason != api.ReasonSucceeded || result.Message != message || result.Revision != "sha256:"+hex {
		t.Errorf("the result is %+v", result)
	}
	a := o.Status.Artifact
	if a == nil || a.Revision != "sha256:"+hex || a.Path != "bucket/ns/apps/"+hex+".tar.gz" ||
		a.URL != "http://source/"+a.Path || a.Size == nil || a.LastUpdateTime.IsZero() {
		t.Fatalf("the artifact is %+v", a)
	}
	if o.Status.URL != "http://source/bucket/ns/apps/latest.tar.gz" || *o.Status.ObservedIgnore != ignore || !w.holds(o) {
		t.Errorf("the status is %+v", o.Status)
	}
	want := map[string]string{"source.toolkit.fluxcd.io/revision": a.Revision, "source.toolkit.fluxcd.io/digest": a.Digest}
	if f := result.Fact; f == nil || f.Reason != api.ReasonNewArtifact || cmp.Diff(want, f.Annotations) != "" ||
		f.Message != "stored artifact with 1 fetched files from 'apps' bucket" {
		t.Errorf("the fact is %+v", f)
	}
	c := conditions.Get(o.Status.Conditions, api.ConditionArtifactInStorage)
	if len(o.Status.Conditions) != 1 || c == nil || c.Message != message {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
	if w.bytes.Load() == 0 {
		t.Error("no bytes were counted")
	}
}

func TestNothingNewChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a.yaml": "a", "b.yaml": "b"})
	o := w.object()
	w.ready(o)
	before := o.DeepCopy()
	w.s3.Asked()
	result := w.ready(o)
	if diff := cmp.Diff(before.Status, o.Status); diff != "" {
		t.Errorf("the status changed:\n%s", diff)
	}
	if lists, opens := w.s3.Asked(); lists != 1 || len(opens) > 0 {
		t.Errorf("it cost %d listings and the objects %v", lists, opens)
	}
	if f := result.Fact; f == nil || !f.Routine || f.Reason != api.ReasonArtifactUpToDate {
		t.Errorf("the fact is %+v", f)
	}
}

func TestWhatMakesANewArtifact(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*world, *v1.Bucket)
		want   bool
		opened []string
	}{
		"an object":    {func(w *world, _ *v1.Bucket) { w.s3.Put("b.yaml", "b") }, true, []string{"b.yaml"}},
		"ignore rules": {func(_ *world, o *v1.Bucket) { o.Spec.Ignore = pointer("*.txt") }, true, nil},
		"ignore rules that change nothing": {func(_ *world, o *v1.Bucket) {
			o.Spec.Ignore = pointer("*.md")
		}, false, nil},
		"an interval": {func(_ *world, o *v1.Bucket) {
			o.Spec.Interval.Duration = time.Hour
			o.Generation++
		}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(map[string]string{"a.yaml": "a", "c.txt": "c"})
			o := w.object()
			w.ready(o)
			before := o.Status.DeepCopy()
			w.s3.Asked()
			tt.change(w, o)
			w.ready(o)
			if got := o.Status.Artifact.Digest != before.Artifact.Digest; got != tt.want || !w.holds(o) {
				t.Errorf("new artifact: %t, want %t", got, tt.want)
			}
			if _, opened := w.s3.Asked(); cmp.Diff(tt.opened, opened) != "" {
				t.Errorf("opened %v, want %v", opened, tt.opened)
			}
			if !tt.want && cmp.Diff(before.ObservedIgnore, o.Status.ObservedIgnore) != "" {
				t.Error("status.observedIgnore changed without a new artifact")
			}
			c := conditions.Get(o.Status.Conditions, api.ConditionArtifactInStorage)
			if c == nil || c.ObservedGeneration != o.Generation {
				t.Errorf("the condition is %+v", c)
			}
		})
	}
}

func pointer(s string) *string { return &s }

func TestAfterARestart(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*world)
		same   bool
	}{
		"nothing new":    {func(*world) {}, true},
		"something new":  {func(w *world) { w.s3.Put("b", "b") }, false},
		"another server": {func(w *world) { w.s3.Put("a", "a") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(map[string]string{"a": "a"})
			o := w.object()
			w.ready(o)
			before := o.Status.DeepCopy()
			w.restart()
			tt.change(w)
			result := w.ready(o)
			if !w.holds(o) {
				t.Error("the store is still cold")
			}
			if same := cmp.Diff(before, &o.Status) == ""; same != tt.same {
				t.Errorf("the status is the same: %t, want %t", same, tt.same)
			}
			if (result.Fact == nil) != tt.same {
				t.Errorf("the fact is %+v", result.Fact)
			}
		})
	}
}

func TestARestartWithoutTheServerKeepsTheStatus(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a"})
	o := w.object()
	w.ready(o)
	before := o.Status.Artifact.DeepCopy()
	w.restart()
	w.s3.Server.Close()
	_, err := w.reconcile(o)
	if failed, ok := errors.AsType[*fault.FailedError](err); !ok || failed.Reason != api.ReasonBucketOperationFailed {
		t.Errorf("the error is %#v", err)
	}
	if cmp.Diff(before, o.Status.Artifact) != "" || !conditions.IsTrue(o.Status.Conditions, api.ConditionFetchFailed) {
		t.Errorf("the status is %+v", o.Status)
	}
}

func TestASuspendedObject(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*world)
		holds  bool
		fails  bool
	}{
		"as recorded": {func(*world) {}, true, false},
		"moved on":    {func(w *world) { w.s3.Put("a", "new") }, false, false},
		"offline":     {func(w *world) { w.s3.Server.Close() }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(map[string]string{"a": "a"})
			o := w.object()
			w.ready(o)
			w.restart()
			tt.change(w)
			o.Spec.Suspend = true
			before := o.Status.Artifact.DeepCopy()
			_, err := w.reconcile(o)
			if (err != nil) != tt.fails || w.holds(o) != tt.holds || cmp.Diff(before, o.Status.Artifact) != "" {
				t.Errorf("it holds the artifact: %t, want %t; the error is %v", w.holds(o), tt.holds, err)
			}
		})
	}
}

func TestASuspendedObjectInMemoryAsksNobody(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a"})
	o := w.object()
	w.ready(o)
	w.s3.Asked()
	o.Spec.Suspend = true
	w.ready(o)
	if lists, opens := w.s3.Asked(); lists+len(opens) > 0 {
		t.Errorf("it asked %d times", lists+len(opens))
	}
}

func TestRecovery(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a"})
	o := w.object()
	w.ready(o)
	w.secrets["ns/keys"]["secretkey"] = "wrong"
	if _, err := w.reconcile(o); err == nil || !conditions.IsTrue(o.Status.Conditions, api.ConditionFetchFailed) {
		t.Fatalf("the error is %v", err)
	}
	w.secrets["ns/keys"]["secretkey"] = secretKey
	result := w.ready(o)
	if f := result.Fact; f == nil || f.Reason != api.ReasonSucceeded || f.Routine {
		t.Errorf("the fact is %+v", f)
	}
	if conditions.Get(o.Status.Conditions, api.ConditionFetchFailed) != nil {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}

func TestAnotherBaseURLChangesTheLinksAlone(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a"})
	o := w.object()
	w.ready(o)
	o.Status.URL = "http://old/bucket/ns/apps/latest.tar.gz"
	o.Status.Artifact.URL = "http://old/" + o.Status.Artifact.Path
	at := o.Status.Artifact.LastUpdateTime
	w.ready(o)
	if !strings.HasPrefix(o.Status.URL, "http://source/") || !strings.HasPrefix(o.Status.Artifact.URL, "http://source/") ||
		!o.Status.Artifact.LastUpdateTime.Equal(&at) {
		t.Errorf("the status is %+v", o.Status)
	}
}

func TestLimitsOfTheProcess(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": strings.Repeat("a", 100)})
	w.limits.Bytes = 50
	w.restart()
	o := w.object()
	_, err := w.reconcile(o)
	if failed, ok := errors.AsType[*fault.FailedError](err); !ok || failed.Reason != api.ReasonArchiveOperationFailed {
		t.Errorf("the error is %#v", err)
	}
	if !conditions.IsTrue(o.Status.Conditions, api.ConditionStorageOperationFailed) {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
	w.limits.Bytes = 0
	w.restart()
	w.ready(o)
	if len(o.Status.Conditions) != 1 {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}

func TestFinalize(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a"})
	o := w.object()
	w.ready(o)
	now := metav1.Now()
	o.DeletionTimestamp = &now
	for range 2 {
		if err := w.plugin.Finalize(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if w.holds(o) {
		t.Error("the artifact is still there")
	}
}

func TestReferences(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	ref := func(name string) *api.LocalObjectReference { return &api.LocalObjectReference{Name: name} }
	o.Spec.CertSecretRef, o.Spec.ProxySecretRef = ref("cert"), ref("proxy")
	o.Spec.STS = &v1.BucketSTSSpec{SecretRef: ref("login"), CertSecretRef: ref("login-cert")}
	var got []string
	for _, r := range w.plugin.References(o) {
		got = append(got, r.String())
	}
	want := []string{"Secret/ns/keys", "Secret/ns/cert", "Secret/ns/proxy", "Secret/ns/login", "Secret/ns/login-cert"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
