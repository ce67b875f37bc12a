package gitrepository_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/reconcilers/gitrepository"
	"github.com/fluxd/fluxd/pkg/reconcilers/reconcilertest"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/pkg/transport"
)

// world is a repository, what serves it, and a reconciler with its Secrets.
type world struct {
	t       *testing.T
	repo    *gittest.Repo
	server  *gittest.Server
	store   *artifacts.Store
	secrets reconcilertest.Secrets
	others  map[string]*v1.GitRepository
	clouds  *identity.Clouds
	account string // of objects that name none
	plugin  reconcilers.Plugin

	received atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root := t.TempDir()
	repo, err := gittest.NewRepo(t.Context(), root, "apps")
	if err != nil {
		t.Fatal(err)
	}
	server, err := gittest.Serve(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	w := &world{t: t, repo: repo, server: server, secrets: reconcilertest.Secrets{}, others: map[string]*v1.GitRepository{}}
	w.restart()
	return w
}

// restart makes memory cold.
func (w *world) restart() {
	w.t.Helper()
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = store
	w.plugin = gitrepository.Plugin(attempt.Config{
		Store: store, Secrets: w.secrets, Clouds: w.clouds, DefaultAccount: w.account, Hosts: transport.NewHosts(), BaseURL: "http://source/",
		Received: func(_ artifacts.Owner, bytes int64) { w.received.Add(bytes) },
	}, func(namespace, name string) (*v1.GitRepository, bool) {
		o, ok := w.others[namespace+"/"+name]
		return o, ok
	}, gitrepository.Options{RequeueDependency: 30 * time.Second})
}

func (w *world) commit(files map[string]string) string {
	w.t.Helper()
	id, err := w.repo.Commit(w.t.Context(), "main", "a change", files)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) object() *v1.GitRepository {
	o := &v1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "apps", Generation: 1},
		Spec: v1.GitRepositorySpec{
			URL: w.server.RepoURL(w.repo), Interval: metav1.Duration{Duration: time.Minute},
			Timeout: &metav1.Duration{Duration: 10 * time.Second}, Reference: &v1.GitRepositoryRef{Branch: "main"},
		},
	}
	o.SetGroupVersionKind(api.GitRepositoryGVK)
	return o
}

func (w *world) reconcile(o *v1.GitRepository) (reconcilers.Result, error) {
	w.t.Helper()
	return reconcilertest.Reconcile(w.t.Context(), w.t, w.plugin, o)
}

func (w *world) ready(o *v1.GitRepository) reconcilers.Result {
	w.t.Helper()
	result, err := w.reconcile(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func TestNewArtifact(t *testing.T) {
	w := newWorld(t)
	commit := w.commit(map[string]string{"a.yaml": "a: 1\n", "logo.png": "png"})
	o := w.object()
	result := w.ready(o)

	revision := "main@sha1:" + commit
	if result.Reason != api.ReasonSucceeded || result.Message != "stored artifact for revision '"+revision+"'" {
		t.Errorf("the result is %+v", result)
	}
	a := o.Status.Artifact
	if a == nil || a.Revision != revision || a.Path != "gitrepository/ns/apps/"+commit+".tar.gz" ||
		a.URL != "http://source/"+a.Path || a.Size == nil || a.LastUpdateTime.IsZero() {
		t.Fatalf("the artifact is %+v", a)
	}
	tree, release, err := w.store.Open(artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: "apps"}, a.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if tree.Len() != 1 {
		t.Errorf("the tree has %d files, want 1", tree.Len())
	}
	want := map[string]string{"source.toolkit.fluxcd.io/revision": revision, "source.toolkit.fluxcd.io/digest": a.Digest}
	if result.Fact == nil || result.Fact.Reason != api.ReasonNewArtifact || cmp.Diff(want, result.Fact.Annotations) != "" {
		t.Errorf("the fact is %+v", result.Fact)
	}
	if !conditions.IsTrue(o.Status.Conditions, api.ConditionArtifactInStorage) {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}

func TestNothingNewChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"a.yaml": "a: 1\n"})
	o := w.object()
	w.ready(o)
	if w.received.Load() == 0 {
		t.Error("the bytes that came were not counted")
	}
	before, requests := o.DeepCopy(), w.server.Requests()
	result := w.ready(o)
	if diff := cmp.Diff(before.Status, o.Status); diff != "" {
		t.Errorf("the status changed:\n%s", diff)
	}
	if got := w.server.Requests() - requests; got != 1 {
		t.Errorf("an unchanged source costs %d requests, want 1", got)
	}
	if result.Fact == nil || !result.Fact.Routine {
		t.Errorf("the fact is %+v", result.Fact)
	}
}

func TestWhatMakesANewArtifact(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*world, *v1.GitRepository)
		want   bool
	}{
		"a commit": {func(w *world, _ *v1.GitRepository) { w.commit(map[string]string{"b.yaml": "b"}) }, true},
		"ignore rules": {func(_ *world, o *v1.GitRepository) {
			rules := "*.yaml"
			o.Spec.Ignore = &rules
		}, true},
		"a sparse checkout": {func(_ *world, o *v1.GitRepository) { o.Spec.SparseCheckout = []string{"dir"} }, true},
		"an interval": {func(_ *world, o *v1.GitRepository) {
			o.Spec.Interval.Duration = time.Hour
			o.Generation++
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(map[string]string{"a.yaml": "a: 1\n", "dir/c.txt": "c"})
			o := w.object()
			w.ready(o)
			before := o.Status.Artifact.Digest
			tt.change(w, o)
			w.ready(o)
			if got := o.Status.Artifact.Digest != before; got != tt.want {
				t.Errorf("new artifact: %t, want %t", got, tt.want)
			}
		})
	}
}

// What is newer than the artifact and cannot be had is told beside the failure.
func TestArtifactOutdated(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"a.yaml": "a: 1\n"})
	o := w.object()
	w.ready(o)
	commit := w.commit(map[string]string{"a.yaml": "a: 2\n"})
	w.secrets["ns/keys"] = map[string][]byte{"a.asc": []byte("x")}
	o.Spec.Verification = &v1.GitRepositoryVerification{SecretRef: api.LocalObjectReference{Name: "keys"}}
	if _, err := w.reconcile(o); err == nil {
		t.Fatal("what nobody has signed was taken")
	}
	c := conditions.Get(o.Status.Conditions, api.ConditionArtifactOutdated)
	if c == nil || c.Reason != api.ReasonNewRevision || !strings.Contains(c.Message, commit) {
		t.Errorf("the condition is %+v", c)
	}
	o.Spec.Verification = nil
	w.ready(o) // holds it to be gone
}

func TestAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"a.yaml": "a: 1\n"})
	o := w.object()
	w.ready(o)
	before := o.DeepCopy()

	w.restart()
	w.ready(o)
	if diff := cmp.Diff(before.Status, o.Status); diff != "" {
		t.Errorf("the refill changed the status:\n%s", diff)
	}
	if !w.store.Has(artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: "apps"}, o.Status.Artifact.Digest) {
		t.Error("the artifact was not fetched again")
	}
}

func TestNetworkDownAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"a.yaml": "a: 1\n"})
	o := w.object()
	w.ready(o)
	artifact := o.Status.Artifact.DeepCopy()
	w.restart()
	if err := w.server.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := w.reconcile(o)
	if fault.Reason(err, "") != api.ReasonGitOperationFailed {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(artifact, o.Status.Artifact); diff != "" {
		t.Errorf("the recorded artifact changed:\n%s", diff)
	}
	if !conditions.IsTrue(o.Status.Conditions, api.ConditionFetchFailed) {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}

func TestSuspendedSourceIsRefilledAtItsRevision(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"a.yaml": "a: 1\n"})
	o := w.object()
	w.ready(o)
	recorded := o.Status.Artifact.DeepCopy()
	w.commit(map[string]string{"a.yaml": "a: 2\n"})
	w.restart()
	o.Spec.Suspend = true
	before := o.DeepCopy()
	if _, err := w.reconcile(o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, o); diff != "" {
		t.Errorf("the object changed:\n%s", diff)
	}
	if !w.store.Has(artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: "apps"}, recorded.Digest) {
		t.Error("the recorded revision is not in the store")
	}
}

func TestInclude(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"lib/x.yaml": "x: 1\n"})
	other := w.object()
	other.Name = "base"
	w.ready(other)

	o := w.object()
	o.Spec.Include = []v1.GitRepositoryInclude{{GitRepositoryRef: api.LocalObjectReference{Name: "base"}, FromPath: "../lib", ToPath: "vendored"}}
	_, err := w.reconcile(o)
	if fault.Reason(err, "") != api.ReasonNotFound || !conditions.IsTrue(o.Status.Conditions, api.ConditionIncludeUnavailable) {
		t.Errorf("a missing include: got %v, %+v", err, o.Status.Conditions)
	}
	w.others["ns/base"] = other
	w.ready(o)
	tree, release, err := w.store.Open(artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: "apps"}, o.Status.Artifact.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, ok := tree.FileDigest("vendored/x.yaml"); !ok {
		t.Error("the included file is not in the artifact")
	}
	if conditions.Has(o.Status.Conditions, api.ConditionIncludeUnavailable) || len(o.Status.IncludedArtifacts) != 1 {
		t.Errorf("the status is %+v", o.Status)
	}
	refs := w.plugin.References(o)
	if want := reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), "ns", "base"); len(refs) != 1 || refs[0] != want {
		t.Errorf("the references are %v", refs)
	}
}

// including returns an object that includes another with one file, lib/x.yaml.
func (w *world) including(include v1.GitRepositoryInclude) (o, other *v1.GitRepository) {
	w.t.Helper()
	w.commit(map[string]string{"lib/x.yaml": "x: 1\n", "app/a.yaml": "a: 1\n"})
	other = w.object()
	other.Name = "base"
	w.ready(other)
	w.others["ns/base"] = other
	o = w.object()
	include.GitRepositoryRef.Name = "base"
	o.Spec.Include = []v1.GitRepositoryInclude{include}
	return o, other
}

func TestIncludesThatDoNotFit(t *testing.T) {
	for name, tt := range map[string]struct {
		include v1.GitRepositoryInclude
		change  func(other *v1.GitRepository)
		reason  string
		waits   bool
	}{
		"no artifact":               {v1.GitRepositoryInclude{}, func(o *v1.GitRepository) { o.Status.Artifact = nil }, api.ReasonNoArtifact, true},
		"an artifact not in memory": {v1.GitRepositoryInclude{}, func(o *v1.GitRepository) { o.Status.Artifact.Digest = "sha256:00" }, api.ReasonNoArtifact, true},
		"nothing at fromPath":       {v1.GitRepositoryInclude{FromPath: "nope"}, nil, api.ReasonCopyFailure, false},
		"something at toPath":       {v1.GitRepositoryInclude{ToPath: "app"}, nil, api.ReasonCopyFailure, false},
		"toPath is the root":        {v1.GitRepositoryInclude{ToPath: "x/.."}, nil, api.ReasonIllegalPath, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o, other := w.including(tt.include)
			if tt.change != nil {
				tt.change(other)
			}
			_, err := w.reconcile(o)
			_, waits := errors.AsType[*fault.WaitingError](err)
			if fault.Reason(err, "") != tt.reason || waits != tt.waits || o.Status.Artifact != nil {
				t.Errorf("got %v, %+v", err, o.Status)
			}
			if !tt.waits && !conditions.IsTrue(o.Status.Conditions, api.ConditionStorageOperationFailed) {
				t.Errorf("the conditions are %+v", o.Status.Conditions)
			}
		})
	}
}

func TestWhatIsNewInAnInclude(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(w *world, o, other *v1.GitRepository)
		want   bool
	}{
		"nothing": {func(*world, *v1.GitRepository, *v1.GitRepository) {}, false},
		"other files": {func(w *world, _, other *v1.GitRepository) {
			other.Spec.Ignore = new(string)
			*other.Spec.Ignore = "app"
			w.ready(other)
		}, true},
		"another place": {func(_ *world, o, _ *v1.GitRepository) { o.Spec.Include[0].ToPath = "elsewhere" }, true},
		"another part":  {func(_ *world, o, _ *v1.GitRepository) { o.Spec.Include[0].FromPath = "lib" }, true},
		"it is no more": {func(_ *world, o, _ *v1.GitRepository) { o.Spec.Include = nil }, true},
		"an annotation": {func(_ *world, _, other *v1.GitRepository) { other.Annotations = map[string]string{"a": "b"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o, other := w.including(v1.GitRepositoryInclude{})
			w.ready(o)
			before := o.Status.Artifact.DeepCopy()
			tt.change(w, o, other)
			w.ready(o)
			if got := o.Status.Artifact.Digest != before.Digest; got != tt.want || o.Status.Artifact.Revision != before.Revision {
				t.Errorf("new artifact: %t, want %t", got, tt.want)
			}
		})
	}
}

// A commit that was verified is verified again only if a part of it was not.
func TestWhenToVerify(t *testing.T) {
	head, tag, both := v1.VerifyHEAD, v1.VerifyTag, v1.VerifyTagAndHEAD
	for name, tt := range map[string]struct {
		observed *v1.GitVerificationMode
		verified bool
		mode     v1.GitVerificationMode
		want     bool
	}{
		"never before":            {nil, true, head, true},
		"it failed":               {&head, false, head, true},
		"the same":                {&head, true, head, false},
		"the same, as it was":     {&head, true, "head", false},
		"the tag as well":         {&head, true, both, true},
		"the tag in its place":    {&head, true, tag, true},
		"the commit in its place": {&tag, true, head, true},
		"less":                    {&both, true, tag, false},
		"less, the other way":     {&both, true, head, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(map[string]string{"a.yaml": "a: 1\n"})
			o := w.object()
			w.ready(o)
			w.secrets["ns/keys"] = map[string][]byte{"a.asc": []byte("x")}
			o.Spec.Verification = &v1.GitRepositoryVerification{Mode: tt.mode, SecretRef: api.LocalObjectReference{Name: "keys"}}
			o.Status.SourceVerificationMode = tt.observed
			if tt.verified {
				o.Status.Conditions = conditions.Set(o.Status.Conditions, metav1.Condition{
					Type: api.ConditionSourceVerified, Status: metav1.ConditionTrue, Reason: api.ReasonSucceeded,
				}, time.Now())
			}
			// Nothing is signed, so that whoever looks fails.
			if _, err := w.reconcile(o); (err != nil) != tt.want {
				t.Errorf("it was verified again: %t, want %t", err != nil, tt.want)
			}
			o.Spec.Verification = nil
			w.ready(o)
			if o.Status.SourceVerificationMode != nil || conditions.Has(o.Status.Conditions, api.ConditionSourceVerified) {
				t.Errorf("without spec.verify the status is %+v", o.Status)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*world, *v1.GitRepository)
		reason  string
		stalled bool
	}{
		"a branch that does not exist": {func(_ *world, o *v1.GitRepository) { o.Spec.Reference.Branch = "nope" }, api.ReasonGitOperationFailed, false},
		"a malformed version range":    {func(_ *world, o *v1.GitRepository) { o.Spec.Reference.SemVer = ">>>" }, api.ReasonGitOperationFailed, false},
		"a URL that does not parse":    {func(_ *world, o *v1.GitRepository) { o.Spec.URL = "http://%zz" }, api.ReasonURLInvalid, true},
		"an App without a Secret":      {func(_ *world, o *v1.GitRepository) { o.Spec.Provider = v1.GitProviderGitHub }, api.ReasonInvalidProviderConfiguration, true},
		"a missing Secret": {func(_ *world, o *v1.GitRepository) {
			o.Spec.SecretRef = &api.LocalObjectReference{Name: "none"}
		}, api.ReasonAuthenticationFailed, false},
		"wrong credentials": {func(w *world, o *v1.GitRepository) {
			w.server.RequireAuth("user", "secret-word")
			w.secrets["ns/creds"] = map[string][]byte{"username": []byte("user"), "password": []byte("guessed-word")}
			o.Spec.SecretRef = &api.LocalObjectReference{Name: "creds"}
		}, api.ReasonAuthenticationFailed, false},
		"a certificate without its key": {func(w *world, o *v1.GitRepository) {
			w.secrets["ns/creds"] = map[string][]byte{"tls.crt": []byte("x")}
			o.Spec.SecretRef = &api.LocalObjectReference{Name: "creds"}
		}, api.ReasonAuthenticationFailed, false},
		"a password without a user": {func(w *world, o *v1.GitRepository) {
			w.secrets["ns/creds"] = map[string][]byte{"password": []byte("guessed-word")}
			o.Spec.SecretRef = &api.LocalObjectReference{Name: "creds"}
		}, api.ReasonGitOperationFailed, false},
		"an App whose Secret is another's": {func(w *world, o *v1.GitRepository) {
			o.Spec.Provider = v1.GitProviderGitHub
			w.secrets["ns/creds"] = map[string][]byte{"password": []byte("guessed-word")}
			o.Spec.SecretRef = &api.LocalObjectReference{Name: "creds"}
		}, api.ReasonInvalidProviderConfiguration, false},
		"the Secret of an App without the App": {func(w *world, o *v1.GitRepository) {
			w.secrets["ns/creds"] = map[string][]byte{"githubAppID": []byte("1")}
			o.Spec.SecretRef = &api.LocalObjectReference{Name: "creds"}
		}, api.ReasonInvalidProviderConfiguration, false},
		"an App with half a Secret": {func(w *world, o *v1.GitRepository) {
			o.Spec.Provider = v1.GitProviderGitHub
			w.secrets["ns/creds"] = map[string][]byte{"githubAppID": []byte("1")}
			o.Spec.SecretRef = &api.LocalObjectReference{Name: "creds"}
		}, api.ReasonAuthenticationFailed, false},
		"a sparse path that does not exist": {func(_ *world, o *v1.GitRepository) { o.Spec.SparseCheckout = []string{"nope"} }, api.ReasonGitOperationFailed, false},
		"an empty repository": {func(w *world, o *v1.GitRepository) {
			empty, err := gittest.NewRepo(w.t.Context(), w.server.Root, "empty")
			if err != nil {
				w.t.Fatal(err)
			}
			o.Spec.URL = w.server.RepoURL(empty)
		}, api.ReasonEmptyGitRepository, false},
		"a missing Secret of keys": {func(w *world, o *v1.GitRepository) {
			o.Spec.Verification = &v1.GitRepositoryVerification{SecretRef: api.LocalObjectReference{Name: "none"}}
		}, api.ReasonVerificationError, false},
		"SSH without known hosts": {func(w *world, o *v1.GitRepository) {
			o.Spec.URL = "ssh://git@127.0.0.1:1/x.git"
			w.secrets["ns/creds"] = map[string][]byte{"identity": []byte("x")}
			o.Spec.SecretRef = &api.LocalObjectReference{Name: "creds"}
		}, api.ReasonAuthenticationFailed, false},
		"a proxy of an unknown scheme": {func(w *world, o *v1.GitRepository) {
			w.secrets["ns/proxy"] = map[string][]byte{"address": []byte("ftp://x")}
			o.Spec.ProxySecretRef = &api.LocalObjectReference{Name: "proxy"}
		}, api.ReasonAuthenticationFailed, false},
		"a server that hangs": {func(w *world, o *v1.GitRepository) {
			o.Spec.Timeout.Duration = 100 * time.Millisecond
			w.server.Wrap(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			})
		}, api.ReasonGitOperationFailed, false},
		"a tag check without a tag": {func(w *world, o *v1.GitRepository) {
			w.secrets["ns/keys"] = map[string][]byte{"a.asc": []byte("x")}
			o.Spec.Verification = &v1.GitRepositoryVerification{Mode: v1.VerifyTag, SecretRef: api.LocalObjectReference{Name: "keys"}}
		}, api.ReasonInvalidVerificationMode, true},
		"an unsigned commit": {func(w *world, o *v1.GitRepository) {
			w.secrets["ns/keys"] = map[string][]byte{"a.asc": []byte("x")}
			o.Spec.Verification = &v1.GitRepositoryVerification{SecretRef: api.LocalObjectReference{Name: "keys"}}
		}, api.ReasonInvalidCommitSignature, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(map[string]string{"a.yaml": "a: 1\n"})
			o := w.object()
			tt.change(w, o)
			_, err := w.reconcile(o)
			if got := fault.Reason(err, "none"); got != tt.reason {
				t.Errorf("got reason %s (%v), want %s", got, err, tt.reason)
			}
			if _, stalled := errors.AsType[*fault.StalledError](err); stalled != tt.stalled {
				t.Errorf("stalled: %t, want %t", stalled, tt.stalled)
			}
			if err != nil && strings.Contains(err.Error(), "guessed-word") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

func TestCredentialsStayWithTheirHost(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"a.yaml": "a: 1\n"})
	leaked := make(chan string, 10)
	thief := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		leaked <- r.Header.Get("Authorization")
		http.Error(rw, "no", http.StatusNotFound)
	}))
	t.Cleanup(thief.Close)
	w.server.Wrap(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)+r.URL.RequestURI(), http.StatusFound)
		})
	})
	w.secrets["ns/creds"] = map[string][]byte{"username": []byte("user"), "password": []byte("secret-word")}
	o := w.object()
	o.Spec.SecretRef = &api.LocalObjectReference{Name: "creds"}
	if _, err := w.reconcile(o); err == nil {
		t.Error("a redirect to another host went well")
	}
	close(leaked)
	for header := range leaked {
		if header != "" {
			t.Errorf("another host was sent %q", header)
		}
	}
}

func TestFinalizeFreesMemory(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"a.yaml": "a: 1\n"})
	o := w.object()
	w.ready(o)
	for range 2 {
		if err := w.plugin.Finalize(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if used := w.store.Stats().Used; used != 0 {
		t.Errorf("%d bytes are left", used)
	}
}

func TestCancellation(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"a.yaml": "a: 1\n"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.plugin.Reconcile(ctx, w.object()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
