package bucket_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
)

// another returns a Bucket that is equal but for its name and what change does.
func (w *world) another(name string, change func(*v1.Bucket)) *v1.Bucket {
	o := w.object()
	o.Name = name
	if change != nil {
		change(o)
	}
	return o
}

func TestEqualBucketsShareOneFetch(t *testing.T) {
	for name, tt := range map[string]struct {
		change        func(*v1.Bucket)
		opened, after int // how many objects, after one has changed the second time
		same          bool
	}{
		"equal":                {nil, 2, 1, true},
		"in another namespace": {func(o *v1.Bucket) { o.Namespace = "theirs" }, 2, 1, true},
		"with other keys":      {func(o *v1.Bucket) { o.Spec.SecretRef = ref("more") }, 4, 2, true},
		"with patterns":        {func(o *v1.Bucket) { o.Spec.Ignore = pointer("*.txt") }, 3, 2, false},
		"with a prefix":        {func(o *v1.Bucket) { o.Spec.Prefix = "a" }, 4, 3, false}, // and .sourceignore
		"as anybody":           {func(o *v1.Bucket) { o.Spec.SecretRef = ref("nobody") }, 4, 2, true},
		"with certificates of theirs": {func(o *v1.Bucket) {
			o.Namespace, o.Spec.CertSecretRef = "theirs", ref("cert")
		}, 4, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.s3.Access = "" // whoever asks
			for _, namespace := range []string{"ns", "theirs"} {
				w.secrets[namespace+"/keys"] = w.secrets["ns/keys"]
				w.secrets[namespace+"/more"] = map[string]string{"accesskey": "another", "secretkey": "key"}
				w.secrets[namespace+"/nobody"] = map[string]string{"accesskey": "", "secretkey": ""}
				w.secrets[namespace+"/cert"] = map[string]string{"ca.crt": certificate(t)}
			}
			w.put(map[string]string{"a.yaml": "a", "b.txt": "b"})
			first, second := w.object(), w.another("second", tt.change)
			var running sync.WaitGroup
			running.Go(func() { w.ready(first) })
			running.Go(func() { w.ready(second) })
			running.Wait()
			if _, opened := w.s3.Asked(); len(opened) != tt.opened {
				t.Errorf("%d objects were fetched, want %d", len(opened), tt.opened)
			}
			same := first.Status.Artifact.Digest == second.Status.Artifact.Digest
			if same != tt.same {
				t.Errorf("the artifacts are the same: %t", same)
			}
			for _, o := range []*v1.Bucket{first, second} {
				if !w.store.Has(artifacts.Owner{Kind: "Bucket", Namespace: o.Namespace, Name: o.Name}, o.Status.Artifact.Digest) {
					t.Errorf("the store lacks the artifact of %s", o.Name)
				}
				if f := o.Status.Conditions; len(f) != 1 || !strings.Contains(f[0].Message, o.Status.Artifact.Revision) {
					t.Errorf("the conditions are %+v", f)
				}
			}
			// Each knows what it has, and fetches what changes alone.
			w.put(map[string]string{"a.yaml": "new"})
			w.ready(first)
			w.ready(second)
			if _, opened := w.s3.Asked(); len(opened) != tt.after {
				t.Errorf("after a change %q were fetched", opened)
			}
		})
	}
}

// What a bucket was while it changed is what one of them saw, and no other gets that.
func TestABucketThatChangesMeanwhileIsNotShared(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a.yaml": "a", "b.yaml": "b"})
	var once sync.Once
	w.s3.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "a.yaml") {
			once.Do(func() { w.s3.Put("b.yaml", "moved"); w.s3.Put("a.yaml", "moved") })
		}
		return false
	}
	first, second := w.object(), w.another("second", nil)
	var running sync.WaitGroup
	running.Go(func() { w.ready(first) })
	running.Go(func() { w.ready(second) })
	running.Wait()
	w.ready(first)
	w.ready(second)
	if a, b := first.Status.Artifact, second.Status.Artifact; a.Digest != b.Digest || a.Revision != b.Revision {
		t.Errorf("in the end they are\n%+v and\n%+v", a, b)
	}
}
