package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/preview"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

// diff runs fluxd diff and returns what it prints, and its exit code.
func (w *world) diff(name string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	return w.diffOf("kustomization", name, args...)
}

// diffOf is diff of another kind.
func (w *world) diffOf(kind, name string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	args = append([]string{"diff", kind, name, "--namespace=" + w.namespace, "--kubeconfig=" + foresight, "--source-max-size=2Mi"}, args...)
	cmd := exec.CommandContext(w.t.Context(), binary, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() < 0) {
		w.t.Fatal(err, errs.String())
	}
	return w.short(out.String()), w.short(errs.String()), cmd.ProcessState.ExitCode()
}

// suspend suspends a Kustomization and waits until the daemon has noticed.
func (w *world) suspend(name string) {
	w.t.Helper()
	w.patch(harness.Kustomized, name, spec(map[string]any{"suspend": true}))
	w.reconciled(harness.Kustomized, name)
}

// kept returns the requests of the preview since a mark that are neither reads nor
// dry-runs.
func (w *world) kept(since controlplane.AuditMark) []string {
	w.t.Helper()
	all, err := w.AuditEvents(since, foreseer)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(all) == 0 {
		w.t.Fatal("the preview has asked the API server for nothing")
	}
	var found []string
	for _, e := range all {
		if e.Namespace == w.namespace && e.Request.Writes() && !e.DryRun {
			found = append(found, e.Request.String()+" "+e.Name)
		}
	}
	return found
}

// short replaces the namespace by NS.
func (w *world) short(text string) string { return strings.ReplaceAll(text, w.namespace, "NS") }

// foresee returns what fluxd diff says as JSON.
func (w *world) foresee(code int, name string, args ...string) preview.Report {
	w.t.Helper()
	out, errs, got := w.diff(name, append(args, "--output=json")...)
	if got != code {
		w.t.Fatalf("exit code %d, want %d: %s%s", got, code, errs, out)
	}
	var report preview.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		w.t.Fatal(err, out)
	}
	return report
}

// writesOf returns what a forecast says would be written, sorted, as events tell it.
func writesOf(o forecast.Owner) []string {
	var lines []string
	for _, obj := range o.Objects {
		switch obj.Action {
		case forecast.Created, forecast.Configured, forecast.Deleted:
			lines = append(lines, obj.String()+" "+string(obj.Action))
		}
	}
	slices.Sort(lines)
	return lines
}

// reported returns what the events of a Kustomization say was written for a commit,
// sorted.
func (w *world) reported(name, commit string) []string {
	w.t.Helper()
	list, err := w.Dynamic.Resource(harness.Events).Namespace(w.namespace).List(w.t.Context(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, e := range list.Items {
		revision := e.GetAnnotations()["kustomize.toolkit.fluxcd.io/revision"]
		if field(&e, "involvedObject", "name") != name || revision != "main@sha1:"+commit {
			continue
		}
		for line := range strings.Lines(field(&e, "message")) {
			line = w.short(strings.TrimSpace(line))
			for _, action := range []string{" created", " configured", " deleted"} {
				if strings.HasSuffix(line, action) && !slices.Contains(lines, line) {
					lines = append(lines, line)
				}
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func object(t *testing.T, o forecast.Owner, subject string) forecast.Object {
	t.Helper()
	for _, obj := range o.Objects {
		if obj.String() == subject {
			return obj
		}
	}
	t.Fatalf("no %s in %v", subject, o)
	return forecast.Object{}
}

// rich is an application with something of everything, before and after a change.
func rich() (before, after files) {
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: NS}\nstringData: {password: hunter2, user: me}\n"
	crd := `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NS.test}
spec:
  group: NS.test
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`
	before = files{
		"app/changed.yaml":    configMap("changed", "before"),
		"app/same.yaml":       configMap("same", "1"),
		"app/drifting.yaml":   configMap("drifting", "1"),
		"app/lost.yaml":       configMap("lost", "1"),
		"app/removed.yaml":    configMap("removed", "1"),
		"app/kept.yaml":       annotated("kept", "1", "kustomize.toolkit.fluxcd.io/prune: disabled"),
		"app/once.yaml":       annotated("once", "1", "kustomize.toolkit.fluxcd.io/ssa: IfNotPresent"),
		"app/secret.yaml":     secret,
		"app/deployment.yaml": deployment("web", ""),
		"app/child.yaml":      childOf("./child", ""),
		"child/vars.yaml":     configMap("vars", "${word}"),
		"child/gone.yaml":     configMap("gone", "1"),
	}
	after = files{
		"app/changed.yaml":    configMap("changed", "after"),
		"app/removed.yaml":    "",
		"app/kept.yaml":       "",
		"app/once.yaml":       annotated("once", "2", "kustomize.toolkit.fluxcd.io/ssa: IfNotPresent"),
		"app/new.yaml":        configMap("new", "1"),
		"app/secret.yaml":     strings.Replace(secret, "hunter2", "swordfish", 1),
		"app/deployment.yaml": strings.Replace(deployment("web", ""), "web:1", "web:2", 1),
		"app/crd.yaml":        crd,
		"app/widget.yaml":     "apiVersion: NS.test/v1\nkind: Widget\nmetadata: {name: one, namespace: NS}\nspec: {size: 1}\n",
		"app/other.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-other}\n---\n" +
			strings.Replace(configMap("there", "1"), "namespace: NS", "namespace: NS-other", 1),
		"app/child.yaml":  childOf("./child", "commonMetadata: {labels: {team: edge}}"),
		"child/gone.yaml": "",
		"child/more.yaml": configMap("more", "${word}"),
	}
	return before, after
}

func childOf(path, more string) string {
	return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: child, namespace: NS}\nspec:\n" +
		"  interval: 10m\n  prune: true\n  path: " + path + "\n  sourceRef: {kind: GitRepository, name: repo}\n" +
		"  postBuild: {substituteFrom: [{kind: ConfigMap, name: live}]}\n  " + more + "\n"
}

// A preview of a branch, then the same commit for real: what was foretold is what is
// done, of everything reachable, with drift told apart and no Secret told at all.
func TestPreviewIsWhatIsApplied(t *testing.T) {
	before, after := rich()
	w := newWorld(t, before)
	w.watched("live", "one")
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app", "child")

	w.suspend("app")
	w.patch(harness.ConfigMaps, "drifting", map[string]any{"data": map[string]any{"key": "edited"}})
	w.patch(deployments, "web", spec(map[string]any{"replicas": 3}))
	w.delete(harness.ConfigMaps, "lost")
	if _, err := w.repo.Git(t.Context(), "branch", "next", "main"); err != nil {
		t.Fatal(err)
	}
	w.commitTo("next", after)

	mark := w.mark()
	report := w.foresee(1, "app", "--branch=next", "--recursive")
	equal(t, "what the preview wrote", []string(nil), w.kept(mark))
	if len(report.Results) != 2 {
		t.Fatalf("results: %v", report.Results)
	}
	app, child := report.Results[0], report.Results[1]
	foretellsTheApp(t, app)
	text, _, _ := w.diff("app", "--branch=next", "--recursive")
	t.Log(text)
	contains(t, "text", text, "► ConfigMap/NS/changed changed\n    data.key: \"before\" → \"after\"\n",
		"data.password: *** (changed)", "► ConfigMap/NS/removed deleted", "spec.template.spec.containers[name=main].image",
		"drift, which the next apply corrects in any case:\n► ConfigMap/NS/drifting corrected\n    data.key: \"edited\" → \"1\"")
	for _, secret := range []string{"hunter2", "swordfish", "aHVudGVyMg", "c3dvcmRmaXNo"} {
		if strings.Contains(text, secret) {
			t.Errorf("the text tells the secret %s: %s", secret, text)
		}
	}

	commit := w.commit(after)
	w.request(harness.Sources, "repo")
	w.wait(harness.Sources, "repo", harness.Field("main@sha1:"+commit, "status", "artifact", "revision"))
	w.patch(harness.Kustomized, "app", spec(map[string]any{"suspend": false}))
	w.applied("app", commit)
	w.wait(harness.Kustomized, "child", all(harness.Ready, func(obj *unstructured.Unstructured) bool {
		return field(obj, "spec", "commonMetadata", "labels", "team") == "edge"
	}))
	for _, line := range append(writesOf(app), writesOf(child)...) {
		w.events(w.expand(line)) // they come a moment later
	}
	equal(t, "what was done by app", writesOf(app), w.reported("app", commit))
	// The commit may reach the child before its new spec does, which then labels what was created.
	labelled := func(line string) bool { return strings.HasSuffix(line, "/more configured") }
	equal(t, "what was done by child", writesOf(child), slices.DeleteFunc(w.reported("child", commit), labelled))
	equal(t, "a preview of what is applied", 0, changed(w.foresee(0, "app", "--recursive")))
}

func changed(r preview.Report) int { return r.Changed() }

// foretellsTheApp checks what is said of single objects.
func foretellsTheApp(t *testing.T, app forecast.Owner) {
	t.Helper()
	fields := func(subject string) [2][]forecast.Field {
		obj := object(t, app, subject)
		return [2][]forecast.Field{obj.Change, obj.Drift}
	}
	equal(t, "changed", [2][]forecast.Field{{{Path: "data.key", Old: "before", New: "after"}}}, fields("ConfigMap/NS/changed"))
	equal(t, "drifting", [2][]forecast.Field{nil, {{Path: "data.key", Old: "edited", New: "1"}}}, fields("ConfigMap/NS/drifting"))
	equal(t, "token", [2][]forecast.Field{{{Path: "data.password", Masked: true}}}, fields("Secret/NS/token"))
	equal(t, "web", [2][]forecast.Field{
		{{Path: "spec.template.spec.containers[name=main].image", Old: "example.com/web:1", New: "example.com/web:2"}},
		{{Path: "spec.replicas", Old: 3.0, New: 1.0}},
	}, fields("Deployment/NS/web"))
	for subject, want := range map[string]forecast.Action{
		"ConfigMap/NS/same": forecast.Unchanged, "ConfigMap/NS/kept": forecast.Skipped, "ConfigMap/NS/once": forecast.Skipped,
		"ConfigMap/NS/removed": forecast.Deleted, "ConfigMap/NS/new": forecast.Created,
	} {
		equal(t, subject, want, object(t, app, subject).Action)
	}
	if lost := object(t, app, "ConfigMap/NS/lost"); lost.Action != forecast.Created || !lost.Restored {
		t.Errorf("the object that somebody has deleted: %+v", lost)
	}
	for _, subject := range []string{"Widget/NS/one", "ConfigMap/NS-other/there"} {
		if obj := object(t, app, subject); obj.Action != forecast.Created || !obj.Unverified {
			t.Errorf("%s, which cannot be verified yet: %+v", subject, obj)
		}
	}
}

// A folder stands for the source, with the source's ignore rules, as the service
// account that applies, and with what only the cluster knows.
func TestPreviewOfAFolder(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "${word}"), "app/other.yaml": configMap("other", "1")})
	w.watched("live", "one")
	w.account("tenant", allVerbs)
	w.source("repo", "ignore: \"*.draft.yaml\"")
	w.kustomization("app", "./app", "serviceAccountName: tenant", "postBuild: {substituteFrom: [{kind: ConfigMap, name: live}]}")
	w.ready("app")
	dir := t.TempDir()
	local := files{
		"app/config.yaml": configMap("config", "${word}!"), "app/new.draft.yaml": "no: manifest", ".git/config": "{",
		"app/.sourceignore": "ignored.yaml", "app/ignored.yaml": "{{",
	}
	for name, content := range local {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(w.expand(content)), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	report := w.foresee(1, "app", "--path="+dir)
	equal(t, "writes", []string{"ConfigMap/NS/config configured", "ConfigMap/NS/other deleted"}, writesOf(report.Results[0]))
	equal(t, "fields", []forecast.Field{{Path: "data.key", Old: "one", New: "one!"}}, object(t, report.Results[0], "ConfigMap/NS/config").Change)
	_, _, code := w.diff("app", "--path="+dir, "--exit-code=false")
	equal(t, "exit code", 0, code)
}

// What cannot be previewed says so, by the object and the flag.
func TestPreviewOfBadInput(t *testing.T) {
	w := newWorld(t, files{
		"app/config.yaml": configMap("config", "1"), "app/job.yaml": job("example.com/job:1"),
		"broken/kustomization.yaml": "resources: [missing.yaml]", "tenant/config.yaml": configMap("mine", "1"),
	})
	w.account("guest", "get")
	w.source("repo")
	w.kustomization("app", "./app")
	w.kustomization("broken", "./broken")
	w.kustomization("tenant", "./tenant", "serviceAccountName: guest")
	w.ready("app")
	w.create(policyManifest("NS"))
	w.refused("configmap", "refused")
	large := t.TempDir()
	if err := os.WriteFile(filepath.Join(large, "large.yaml"), make([]byte, maxSource+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		name string
		args []string
		says string
	}{
		"an unknown object":    {"nobody", nil, "Kustomization 'NS/nobody' not found"},
		"an unknown revision":  {"app", []string{"--revision=main@sha1:" + strings.Repeat("0", 40)}, "GitRepository 'NS/repo': "},
		"half a commit":        {"app", []string{"--revision=main@sha1:123"}, `"123" is not a full commit id`},
		"an unknown branch":    {"app", []string{"--branch=nowhere"}, "reference not found: refs/heads/nowhere"},
		"no such folder":       {"app", []string{"--path=/nowhere"}, "--path: stat /nowhere: no such file or directory"},
		"a file as a folder":   {"app", []string{"--path=main_test.go"}, "not a directory"},
		"a folder too large":   {"app", []string{"--path=" + large}, "the files have more than 2097152 bytes"},
		"a folder at a branch": {"app", []string{"--path=.", "--branch=main"}, "a folder has neither a revision nor a branch"},
		"another output":       {"app", []string{"--output=xml"}, `--output: "xml" is neither text nor json`},
		"another flag":         {"app", []string{"--nonsense"}, "unknown flag: --nonsense"},
		"a build that fails":   {"broken", nil, "missing.yaml"},
		"without the right to": {"tenant", nil, "ConfigMap/NS/mine dry-run failed (Forbidden)"},
	} {
		out, errs, code := w.diff(c.name, c.args...)
		if code != 2 || !strings.Contains(out+errs, c.says) {
			t.Errorf("%s: exit code %d and %q%q, want 2 and %q", what, code, out, errs, c.says)
		}
	}

	w.commitTo("main", files{"app/job.yaml": job("example.com/job:2"), "app/refused.yaml": configMap("refused", "1"), "app/new.yaml": configMap("new", "1")})
	report := w.foresee(2, "app")
	app := report.Results[0]
	contains(t, "an immutable field", object(t, app, "Job/NS/job").Message, "Job/NS/job dry-run failed (Invalid)", "field is immutable")
	contains(t, "an admission policy", object(t, app, "ConfigMap/NS/refused").Message, "ConfigMap/NS/refused dry-run failed", "refused by the test")
	equal(t, "another object", forecast.Created, object(t, app, "ConfigMap/NS/new").Action)
	w.patch(harness.Kustomized, "app", spec(map[string]any{"force": true, "suspend": true}))
	job := object(t, w.foresee(2, "app").Results[0], "Job/NS/job")
	equal(t, "with force", forecast.Recreated, job.Action)
	equal(t, "fields", []forecast.Field{{Path: "spec.template.spec.containers[name=main].image", Old: "example.com/job:1", New: "example.com/job:2"}}, job.Change)
}

// refused waits until the API server refuses to create an object, which it does a moment
// after it was told to.
func (w *world) refused(kind, name string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		out, err := w.Kubectl(ctx, "-n", w.namespace, "create", kind, name, "--dry-run=server")
		switch {
		case ctx.Err() != nil:
			w.t.Fatalf("%s %s is not refused", kind, name)
		case err != nil && strings.Contains(err.Error()+out, "denied request"):
			return
		}
	}
}

func job(image string) string {
	return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: job, namespace: NS}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: " + image + "}]}}}\n"
}

// policyManifest refuses ConfigMaps of the name refused.
func policyManifest(namespace string) string {
	return `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NS-refused}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]}
  matchConditions: [{name: mine, expression: "request.namespace == '` + namespace + `'"}]
  validations: [{expression: "object.metadata.name != 'refused'", message: refused by the test}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NS-refused}
spec: {policyName: NS-refused, validationActions: [Deny]}
`
}

// Keys, kubeconfigs and service accounts are those of the cluster, whoever asks.
func TestPreviewReadsWhatTheClusterHas(t *testing.T) {
	testdata := func(name string) string {
		content, err := os.ReadFile(filepath.Join("../../pkg/render/decrypt/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	w := newWorld(t, files{"there/config.yaml": configMap("config", "1")})
	secret := files{ // not by commit, which would find NS in it
		"app/kustomization.yaml": "resources: [secret.yaml]\n", "app/secret.yaml": testdata("secret.yaml.enc"),
	}
	if _, err := w.repo.Commit(t.Context(), "main", "add what is encrypted", secret); err != nil {
		t.Fatal(err)
	}
	w.secret("keys", map[string]string{"age.agekey": testdata("keys/age.agekey")})
	w.secret("there", map[string]string{"value": w.kubeconfig()})
	w.account("tenant", allVerbs)
	w.source("repo")
	w.kustomization("app", "./app", "targetNamespace: NS\ndecryption: {provider: sops, secretRef: {name: keys}}", "suspend: true")
	w.kustomization("there", "./there", there+"\nserviceAccountName: tenant", "suspend: true")

	app := w.foresee(1, "app").Results[0]
	equal(t, "writes", []string{"Secret/NS/login created"}, writesOf(app))
	w.patch(harness.Kustomized, "app", spec(map[string]any{"suspend": false}))
	w.ready("app")
	equal(t, "of what is applied", 0, changed(w.foresee(0, "app")))
	w.suspend("app")
	w.patch(secrets, "login", map[string]any{"data": map[string]any{"password": "eA=="}})
	text, _, _ := w.diff("app")
	contains(t, "drift", text, "► Secret/NS/login corrected\n    data.password: *** (changed)")
	w.patch(secrets, "keys", map[string]any{"data": map[string]any{"age.agekey": nil}})
	text, _, code := w.diff("app")
	equal(t, "exit code without a key", 2, code)
	contains(t, "without a key", text, "✗ decryption failed for 'Secret.v1.[noGrp]/login'")

	mark := w.mark()
	equal(t, "elsewhere", []string{"ConfigMap/NS/config created"}, writesOf(w.foresee(1, "there").Results[0]))
	equal(t, "who asked", []string{elsewhere + " as system:serviceaccount:NS:tenant"}, w.authors(mark))
	if w.get(harness.ConfigMaps, "config") != nil {
		t.Error("a preview has created an object")
	}
}

// A HelmRelease that a Kustomization applies is looked into as well: with other values, it
// changes what the chart makes of them.
func TestPreviewOfARelease(t *testing.T) {
	content := smallChart()
	release := func(word string) string {
		return "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: NS}\nspec:\n" +
			"  interval: 10m\n  chartRef: {kind: HelmChart, name: chart}\n  values: {word: " + word + "}\n"
	}
	content["app/release.yaml"] = release("first")
	w := newWorld(t, content)
	w.source("repo")
	w.create(w.manifest("source.toolkit.fluxcd.io/v1", "HelmChart", "chart", "interval: 10m\nchart: chart\nsourceRef: {kind: GitRepository, name: repo}"))
	w.kustomization("app", "./app")
	w.ready("app")
	w.wait(api.HelmReleaseGVR, "web", harness.Ready)
	w.commitTo("next", files{"app/release.yaml": release("second")})
	mark := w.mark()
	report := w.foresee(1, "app", "--branch=next", "--recursive")
	equal(t, "owners", 2, len(report.Results))
	equal(t, "what is kept", []string(nil), w.kept(mark))
	forecast := report.Results[1]
	equal(t, "error", "", forecast.Error)
	equal(t, "writes", []string{"ConfigMap/NS/web-one configured"}, writesOf(forecast))

	if out, errs, code := w.diffOf("helmrelease", "web"); code != 0 {
		t.Errorf("nothing has changed, and the exit code is %d: %s%s", code, out, errs)
	}
	w.patch(harness.ConfigMaps, "web-one", map[string]any{"data": map[string]any{"word": "edited"}})
	if out, errs, code := w.diffOf("helmrelease", "web"); code != 1 || !strings.Contains(out, "ConfigMap/NS/web-one") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}
