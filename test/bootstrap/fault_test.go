package bootstrap

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/test/harness"
)

// killedAt runs fluxd and kills it when it says something. It fails the test if it
// never does.
func (w *world) killedAt(mark string, args ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig()), w.env...)
	said, err := cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	var all []string
	found := false
	for lines := bufio.NewScanner(said); lines.Scan(); {
		all = append(all, lines.Text())
		if strings.Contains(lines.Text(), mark) {
			found = true
			_ = cmd.Process.Kill() // it may have been faster
			break
		}
	}
	_ = cmd.Wait() // it was killed
	if !found {
		w.t.Fatalf("it never said %q:\n%s", mark, strings.Join(all, "\n"))
	}
}

// A bootstrap that dies at any step is completed by the next one.
func TestInterrupted(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n"})
	w.env = []string{"GIT_PASSWORD=a-token"}
	newKeeper(t)
	before := w.head()
	for _, mark := range []string{
		"✔ Kubernetes", "found main@", "clusters/edge/flux-system/gotk-sync.yaml", "pushed main@", "applying the manifests",
		"Namespace/flux-system", "has the credentials", "waiting for the Deployment", "waiting for the cluster",
	} {
		w.killedAt(mark, w.overHTTP("--version=v1")...)
	}
	contains(t, w.fluxd(w.overHTTP("--version=v1")...), "bootstrap finished")
	log, err := w.repo.Git(t.Context(), "log", "--format=%s", before+"..main")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "commits", "Add fluxd dev manifests\n", log)
	contains(t, w.fluxd("check"), "all checks passed")
}

// Two people bootstrap the same cluster at the same time.
func TestTwoAtOnce(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n"})
	newKeeper(t)
	type result struct {
		out string
		err error
	}
	results := make(chan result, 2)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 2 {
		go func() {
			out, err := w.try(ctx, w.overHTTP("--version=v1")...)
			results <- result{out, err}
		}()
	}
	for range 2 {
		if r := <-results; r.err != nil || !strings.Contains(r.out, "bootstrap finished") {
			t.Errorf("%v\n%s", r.err, r.out)
		}
	}
	log, err := w.repo.Git(t.Context(), "log", "--format=%s", "main")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "commits", "Add fluxd dev manifests\nchange things\n", log)
}

// untouched fails the test if the cluster or the repository is not as before.
func (w *world) untouched(head string) {
	w.t.Helper()
	equal(w.t, "head", head, w.head())
	if w.get(definitions, "", "gitrepositories.source.toolkit.fluxcd.io") != nil || w.get(harness.Deployments, namespace, "fluxd") != nil {
		w.t.Error("something was installed")
	}
}

func TestProtectedBranch(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n"})
	hook := filepath.Join(w.repo.Dir, "hooks", "pre-receive")
	if err := os.MkdirAll(filepath.Dir(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho 'You are not allowed to push code to protected branches.' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	head := w.head()
	w.refused(w.overHTTP(), "the remote refuses the commit", "protected branches", "let this account push to it", "another --branch")
	w.untouched(head)
}

func TestWrongCredentials(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n"})
	head := w.head()
	gits.RequireAuth("git", "the-right-one")
	t.Cleanup(func() { gits.RequireAuth("", "") })
	w.env = []string{"GIT_PASSWORD=not-the-right-one"}
	out := w.refused(w.overHTTP(), "authentication failed")
	if strings.Contains(out, "not-the-right-one") {
		t.Errorf("the password is told:\n%s", out)
	}
	w.untouched(head)

	// One that may read and not write.
	w.env = []string{"GIT_PASSWORD=the-right-one"}
	gits.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			if strings.Contains(req.URL.String(), "receive-pack") {
				http.Error(rw, "write access to the repository not granted", http.StatusForbidden)
				return
			}
			next.ServeHTTP(rw, req)
		})
	})
	t.Cleanup(func() { gits.Wrap(nil) })
	w.refused(w.overHTTP(), "unable to push", "may read the repository and not write it")
	w.untouched(head)
}

func TestNoSuchRepository(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n"})
	head := w.head()
	w.refused([]string{"bootstrap", "git", "--url=" + gits.URL + "/none.git", "--allow-insecure-http", "--path=" + edge}, "repository not found")
	w.refused([]string{"bootstrap", "git", "--url=" + gits.RepoURL(w.repo), "--path=" + edge}, "is not encrypted", "--allow-insecure-http")
	w.refused([]string{"bootstrap", "git", "--url=https://me:secret@git.example.com/x.git"}, "GIT_PASSWORD")
	w.untouched(head)
}

// What does not build is not pushed, and says so.
func TestBrokenKustomization(t *testing.T) {
	w := newWorld(t, files{edge + "/flux-system/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- missing.yaml\n"})
	head := w.head()
	w.refused(w.overHTTP(), "the branch was not touched", "missing.yaml")
	w.untouched(head)
}

const stockDeployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
  namespace: flux-system
  labels: {app.kubernetes.io/part-of: flux, app.kubernetes.io/component: NAME, app.kubernetes.io/instance: flux-system}
spec:
  replicas: 1
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: manager
        image: example.com/NAME:v1
        args: [--events-addr=, --watch-all-namespaces=true, --log-level=info, --log-encoding=json, --enable-leader-election]
`

// A cluster on which Flux runs is left alone, and the message says what to do.
func TestClusterWithFlux(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n"})
	head := w.head()
	manifest := "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n---\n" + strings.ReplaceAll(stockDeployment, "NAME", "kustomize-controller")
	if _, err := cluster.Create(t.Context(), manifest); err != nil {
		t.Fatal(err)
	}
	advice := []string{"flux-system/kustomize-controller (its Deployment has replicas)", "kubectl -n flux-system scale deployment", "--force"}
	w.refused(w.overHTTP(), advice...)
	w.refused([]string{"install"}, advice...)
	w.refused([]string{"check", "--pre"}, advice...)
	w.untouched(head)

	// Without a Deployment in sight, the Lease tells.
	if err := cluster.Delete(t.Context(), harness.Deployments, namespace, "kustomize-controller"); err != nil {
		t.Fatal(err)
	}
	w.wait(harness.Deployments, namespace, "kustomize-controller", harness.Gone)
	lease := `apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: helm-controller-leader-election, namespace: flux-system}
spec: {holderIdentity: somebody, leaseDurationSeconds: 3600, renewTime: "` + time.Now().UTC().Format(metav1.RFC3339Micro) + `"}
`
	if _, err := cluster.Create(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	w.refused([]string{"install"}, "flux-system/helm-controller (the Lease helm-controller-leader-election is held by somebody)")
	contains(t, w.fluxd("install", "--force", "--dry-run"), "helm-controller (the Lease", "nothing was written")
}

// Whoever may only read is told before anything is pushed.
func TestReadOnlyAccount(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n"})
	head := w.head()
	if _, err := cluster.Kubectl(t.Context(), "create", "clusterrolebinding", "reader", "--clusterrole=view", "--user="+reader); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = cluster.Kubectl(context.Background(), "delete", "clusterrolebinding", "reader") // of a cluster that goes anyway
	})
	kubeconfig, err := cluster.KubeconfigFor(reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{w.overHTTP(), {"install"}} {
		out, err := w.tryAs(t.Context(), kubeconfig, args...)
		if err == nil {
			t.Errorf("%v: it did not fail", args)
		}
		contains(t, out, "the account may not create namespaces", "may not create customresourcedefinitions.apiextensions.k8s.io", "cluster-admin")
	}
	out, err := w.tryAs(t.Context(), kubeconfig, "check", "--pre")
	if err == nil {
		t.Error("check did not fail")
	}
	contains(t, out, "may not create namespaces")
	w.untouched(head)
}

// Another folder would have everything pruned that the cluster has now.
func TestOtherPath(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n"})
	newKeeper(t)
	w.fluxd(w.overHTTP("--version=v1")...)
	head := w.head()
	w.refused(append(w.overHTTP(), "--path=clusters/other"), "the cluster comes from the folder ./clusters/edge", "would be pruned", "uninstall first")
	w.refused([]string{"install"}, "fluxd is installed from Git here, by the Kustomization flux-system/flux-system")
	equal(t, "head", head, w.head())
}

// What is in the repository besides stays, whatever it is, and what is in the way is
// told.
func TestRepositoryWithOtherContent(t *testing.T) {
	other := files{
		"README.md": "mine\n", "clusters/other/flux-system/gotk-sync.yaml": "of another cluster\n", edge + "-2/app.yaml": "not: yaml: at all\n",
		"run.sh*": "#!/bin/sh\n", edge + "/broken.yaml.txt": "{{ no manifest }}\n",
	}
	w := newWorld(t, other)
	newKeeper(t)
	before := w.head()
	contains(t, w.fluxd(w.overHTTP("--version=v1")...), "bootstrap finished")
	changed, err := w.repo.Git(t.Context(), "diff", "--name-status", "--no-renames", before, "main")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(changed) {
		if !strings.HasPrefix(line, "A\t"+edge+"/flux-system/") {
			t.Errorf("it was touched: %s", line)
		}
	}
}

func TestFileInTheWay(t *testing.T) {
	w := newWorld(t, files{edge: "a file where the folder has to be\n"})
	head := w.head()
	w.refused(w.overHTTP(), edge)
	w.untouched(head)
}
