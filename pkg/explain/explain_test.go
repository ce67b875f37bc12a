package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// The way from an object to the root, for each thing that can be at the root.
func TestCauses(t *testing.T) {
	missing := "False ArtifactFailed GitRepository 'apps/repo' not found"
	waits := "False DependencyNotReady dependency 'apps/base' is not ready"
	for what, c := range map[string]struct {
		objects []string
		change  func(*world)
		want    string
	}{
		"nothing is the matter": {
			[]string{repository(), thing("Kustomization", "app", "True ReconciliationSucceeded done", fromRepo, `status lastAppliedRevision: "main@sha1:abc"`)}, nil,
			"Kustomization/apps/app is ready at main@sha1:abc",
		},
		"it does not exist": {nil, nil, "Kustomization/apps/app does not exist"},
		"its source does not exist": {
			[]string{thing("Kustomization", "app", missing, fromRepo)}, nil,
			"Kustomization/apps/app is not ready: GitRepository 'apps/repo' not found\n" +
				"  ↳ its source GitRepository/apps/repo (spec.sourceRef) does not exist",
		},
		"its source cannot be fetched": {
			[]string{
				thing("GitRepository", "repo", "False GitOperationFailed connection refused"),
				thing("Kustomization", "app", "False ArtifactFailed Source artifact not found, retrying in 30s", fromRepo),
			}, nil,
			"Kustomization/apps/app is not ready: Source artifact not found, retrying in 30s\n" +
				"  ↳ its source GitRepository/apps/repo (spec.sourceRef) is not ready: connection refused",
		},
		"a Secret of its source is missing": {
			[]string{
				thing("GitRepository", "repo", `False AuthenticationFailed secrets "login" not found`, "spec secretRef: {name: login}"),
				thing("Kustomization", "app", "False ArtifactFailed Source artifact not found", fromRepo),
			}, nil,
			"Kustomization/apps/app is not ready: Source artifact not found\n" +
				"  ↳ its source GitRepository/apps/repo (spec.sourceRef) is not ready: secrets \"login\" not found\n" +
				"  ↳ its configuration Secret/apps/login (spec.secretRef) does not exist",
		},
		"what is new does not come": {
			[]string{
				thing("GitRepository", "repo", "False GitOperationFailed no route to host", `status artifact: {revision: "main@sha1:abc", digest: "sha256:1"}`),
				thing("Kustomization", "app", "True ReconciliationSucceeded done", fromRepo, `status lastAppliedRevision: "main@sha1:abc"`),
			}, nil,
			"Kustomization/apps/app is ready at main@sha1:abc, and what is new does not come\n" +
				"  ↳ its source GitRepository/apps/repo (spec.sourceRef) is not ready: no route to host",
		},
		"its source is suspended": {
			[]string{repository("spec suspend: true"), thing("Kustomization", "app", "True ReconciliationSucceeded done", fromRepo, `status lastAppliedRevision: "main@sha1:abc"`)}, nil,
			"Kustomization/apps/app is ready at main@sha1:abc, and nothing new will come\n" +
				"  ↳ its source GitRepository/apps/repo (spec.sourceRef) is suspended, so that nothing is done for it until spec.suspend is false",
		},
		"the newest is yet to be applied": {
			[]string{repository(), thing("Kustomization", "app", "True ReconciliationSucceeded done", fromRepo, `status lastAppliedRevision: "main@sha1:old"`)}, nil,
			"Kustomization/apps/app is ready at main@sha1:old, and main@sha1:abc of its source is yet to be applied",
		},
		"a dependency fails": {
			[]string{
				repository(),
				thing("Kustomization", "app", waits, fromRepo, "spec dependsOn: [{name: fine}, {name: base}]"),
				thing("Kustomization", "fine", "True ReconciliationSucceeded done", fromRepo, `status lastAppliedRevision: "main@sha1:abc"`),
				thing("Kustomization", "base", "False BuildFailed kustomization.yaml: no such file", fromRepo),
			}, nil,
			"Kustomization/apps/app is not ready: dependency 'apps/base' is not ready\n" +
				"  ↳ its dependency Kustomization/apps/base (spec.dependsOn[1]) is not ready: kustomization.yaml: no such file",
		},
		"a dependency is suspended": {
			[]string{
				repository(), thing("Kustomization", "app", waits, fromRepo, "spec dependsOn: [{name: base}]"),
				thing("Kustomization", "base", "False BuildFailed no", fromRepo, "spec suspend: true"),
			}, nil,
			"Kustomization/apps/app is not ready: dependency 'apps/base' is not ready\n" +
				"  ↳ its dependency Kustomization/apps/base (spec.dependsOn[0]) is suspended, so that nothing is done for it until spec.suspend is false",
		},
		"a dependency is behind": {
			[]string{
				repository(), thing("Kustomization", "app", "False DependencyNotReady dependency 'apps/base' revision is not up to date", fromRepo, "spec dependsOn: [{name: base}]"),
				thing("Kustomization", "base", "True ReconciliationSucceeded done", fromRepo, `status lastAppliedRevision: "main@sha1:old"`),
			}, nil,
			"Kustomization/apps/app is not ready: dependency 'apps/base' revision is not up to date\n" +
				"  ↳ its dependency Kustomization/apps/base (spec.dependsOn[0]) is ready at main@sha1:old, and main@sha1:abc of its source is yet to be applied",
		},
		"dependencies in a circle": {
			[]string{
				repository(), thing("Kustomization", "app", waits, fromRepo, "spec dependsOn: [{name: base}]"),
				thing("Kustomization", "base", "False DependencyNotReady dependency 'apps/app' is not ready", fromRepo, "spec dependsOn: [{name: app}]"),
			}, nil,
			"Kustomization/apps/app is not ready: dependency 'apps/base' is not ready\n" +
				"  ↳ its dependency Kustomization/apps/base (spec.dependsOn[0]) is not ready: dependency 'apps/app' is not ready\n" +
				"  ↳ its dependency Kustomization/apps/app (spec.dependsOn[0]) is where this began: Kustomization/apps/app, Kustomization/apps/base wait for each other, and none of them can become ready",
		},
		"itself": {
			[]string{repository(), thing("Kustomization", "app", "False DependencyNotReady dependency 'apps/app' is not ready", fromRepo, "spec dependsOn: [{name: app}]")}, nil,
			"Kustomization/apps/app is not ready: dependency 'apps/app' is not ready\n" +
				"  ↳ its dependency Kustomization/apps/app (spec.dependsOn[0]) is where this began: Kustomization/apps/app and itself wait for each other, and none of them can become ready",
		},
		"an object that it depends on": {
			[]string{
				repository(), deployment("db", "0"),
				thing("Kustomization", "app", "False DependencyNotReady dependency 'Deployment.apps/db' is not ready: InProgress", fromRepo, "metadata annotations: {fluxd.io/depends-on: Deployment.apps/db}"),
			}, nil,
			"Kustomization/apps/app is not ready: dependency 'Deployment.apps/db' is not ready: InProgress\n" +
				"  ↳ its prerequisite Deployment/apps/db (metadata.annotations[fluxd.io/depends-on]) is InProgress: Available: 0/1",
		},
		"a kind that is not served": {
			[]string{
				repository(),
				thing("Kustomization", "app", "False DependencyNotReady dependency 'Gone.x/db' not found", fromRepo, "metadata annotations: {fluxd.io/depends-on: Gone.x/db}"),
			}, nil,
			"Kustomization/apps/app is not ready: dependency 'Gone.x/db' not found\n" +
				"  ↳ its prerequisite Gone/apps/db (metadata.annotations[fluxd.io/depends-on]) cannot be read: the kind Gone.x is not served",
		},
		"what it applied": {
			[]string{
				repository(), deployment("web", "0"), deployment("fine", "1"), configMap("config"),
				thing("Kustomization", "app", "Unknown Progressing Running health checks for revision main@sha1:abc", fromRepo,
					`status inventory: {entries: [{id: apps_config__ConfigMap, v: v1}, {id: apps_fine_apps_Deployment, v: v1}, {id: apps_web_apps_Deployment, v: v1}]}`),
			}, nil,
			"Kustomization/apps/app is under way: Running health checks for revision main@sha1:abc\n" +
				"  ↳ its applied object Deployment/apps/web is InProgress: Available: 0/1",
		},
		"what somebody applied whom it applied": {
			[]string{
				repository(),
				thing("Kustomization", "app", "False HealthCheckFailed timeout waiting for: [Kustomization/apps/child status: 'InProgress']", fromRepo,
					`status inventory: {entries: [{id: apps_child_kustomize.toolkit.fluxcd.io_Kustomization, v: v1}]}`),
				thing("Kustomization", "child", "False BuildFailed bad patch", fromRepo),
			}, nil,
			"Kustomization/apps/app is not ready: timeout waiting for: [Kustomization/apps/child status: 'InProgress']\n" +
				"  ↳ its applied object Kustomization/apps/child is not ready: bad patch",
		},
		"a release whose chart is not found": {
			[]string{
				thing("HelmRelease", "app", "False SourceNotReady HelmChart 'apps/apps-app' is not ready", "status helmChart: apps/apps-app", "spec values: {secretRef: {name: no-secret}}"),
				thing("HelmChart", "apps-app", "False InvalidChartReference no chart 'web' found", "spec sourceRef: {kind: HelmRepository, name: charts}", "spec chart: web"),
				thing("HelmRepository", "charts", "True Succeeded stored", `status artifact: {revision: "sha256:9", digest: "sha256:9"}`),
			}, nil,
			"HelmRelease/apps/app is not ready: HelmChart 'apps/apps-app' is not ready\n" +
				"  ↳ its source HelmChart/apps/apps-app (spec.chart) is not ready: no chart 'web' found",
		},
		"a release of an old chart": {
			[]string{
				thing("HelmRelease", "app", "False SourceNotReady HelmChart 'apps/apps-app' is not ready", "status helmChart: apps/apps-app"),
				thing("HelmChart", "apps-app", "False ChartPullError no such host", `status artifact: {revision: "1.0.0", digest: "sha256:9"}`),
			}, nil,
			"HelmRelease/apps/app is not ready: HelmChart 'apps/apps-app' is not ready\n" +
				"  ↳ its source HelmChart/apps/apps-app (spec.chart) is not ready: no such host",
		},
		"what a release consists of": {
			[]string{
				thing("HelmRelease", "app", "False InstallFailed Helm install failed: context deadline exceeded", "spec chartRef: {kind: OCIRepository, name: chart}",
					"status inventory: {entries: [{id: apps_web_apps_Deployment, v: v1}]}"),
				thing("OCIRepository", "chart", "True Succeeded stored", `status artifact: {revision: "1.0.0@sha256:9", digest: "sha256:9"}`), deployment("web", "0"),
			}, nil,
			"HelmRelease/apps/app is not ready: Helm install failed: context deadline exceeded\n" +
				"  ↳ its applied object Deployment/apps/web is InProgress: Available: 0/1",
		},
		"more deletions than the budget": {
			[]string{repository(), thing("Kustomization", "app", "False PruneBudgetExceeded revision main@sha1:abc deletes 9 of 10 objects; to let it, set the annotation fluxd.io/approve-prune: main@sha1:abc", fromRepo)}, nil,
			"Kustomization/apps/app is not ready: revision main@sha1:abc deletes 9 of 10 objects; to let it, set the annotation fluxd.io/approve-prune: main@sha1:abc",
		},
		"nothing has happened yet": {
			[]string{thing("Kustomization", "app", "", fromRepo)}, nil,
			"Kustomization/apps/app has not been reconciled yet at generation 2\n" +
				"  ↳ its source GitRepository/apps/repo (spec.sourceRef) does not exist",
		},
		"a spec that was not read yet": {
			[]string{repository(), thing("Kustomization", "app", "True ReconciliationSucceeded done", fromRepo, "status observedGeneration: 1")}, nil,
			"Kustomization/apps/app has not been reconciled yet at generation 2",
		},
		"a spec that was edited after a failure": {
			[]string{repository(), strings.ReplaceAll(thing("Kustomization", "app", "False BuildFailed no such file", fromRepo), "{type: Ready,", "{type: Ready, observedGeneration: 1,")},
			func(w *world) { w.states = map[string]State{"Kustomization/apps/app": {Queued: true}} },
			"Kustomization/apps/app has not been reconciled yet at generation 2",
		},
		"the crash ledger": {
			[]string{repository(), thing("Kustomization", "app", "True ReconciliationSucceeded done", fromRepo)},
			func(w *world) { w.states = map[string]State{"Kustomization/apps/app": {Held: minutes(2)}} },
			"Kustomization/apps/app is held back until 2030-01-01T12:02:00Z (in 2m): fluxd died more than once while it was being reconciled",
		},
		"somebody else's": {
			[]string{repository(), thing("Kustomization", "app", "True ReconciliationSucceeded done", fromRepo)},
			func(w *world) { w.foreign = map[string]bool{"Kustomization/apps/app": true} },
			"Kustomization/apps/app is there, and this fluxd does not look after it: it is of another shard or namespace, or only just there",
		},
		"its deletion": {
			[]string{repository(), thing("Kustomization", "app", "False PruneFailed cannot delete", fromRepo, `metadata deletionTimestamp: "2030-01-01T11:00:00Z"`, "metadata finalizers: [finalizers.fluxcd.io]")}, nil,
			"Kustomization/apps/app is being deleted: cannot delete",
		},
		"what the caller may not see": {
			[]string{
				repository(), thing("Kustomization", "app", waits, fromRepo, "spec dependsOn: [{name: base}]"),
				thing("Kustomization", "base", "False BuildFailed the reason", fromRepo),
			},
			func(w *world) { w.denied = map[string]bool{"kustomizations/apps/base": true} },
			"Kustomization/apps/app is not ready: dependency 'apps/base' is not ready\n" +
				"  ↳ its dependency Kustomization/apps/base (spec.dependsOn[0]) you may not see this",
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, c.objects...)
			if c.change != nil {
				c.change(w)
			}
			subject := "ks/app"
			if strings.HasPrefix(c.want, "HelmRelease") {
				subject = "hr/app"
			}
			if diff := cmp.Diff(c.want, w.causes(subject)); diff != "" {
				t.Errorf("(-want +got): %s", diff)
			}
		})
	}
}

// What does not fit its type is said of that object.
func TestCauseOfAnObjectThatDoesNotDecode(t *testing.T) {
	want := "Kustomization/apps/broken cannot be read: it does not fit its type: spec.interval"
	if got := newWorld(t).causes("ks/broken"); got != want {
		t.Errorf("got %s", got)
	}
}

// The whole text, with all that a process knows.
func TestText(t *testing.T) {
	w := newWorld(t,
		repository(),
		thing("Kustomization", "app", "False DependencyNotReady dependency 'apps/base' is not ready", fromRepo,
			"spec dependsOn: [{name: base}]", "spec postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}, {kind: Secret, name: more, optional: true}]}",
			`status lastAppliedRevision: "main@sha1:old"`, `status lastAttemptedRevision: "main@sha1:abc"`),
		thing("Kustomization", "base", "False BuildFailed no such file", fromRepo, "spec retryInterval: 2m"),
		configMap("vars"),
	)
	key := func(kind, name string) reconcilers.Ref {
		for _, r := range api.Resources() {
			if r.Kind.Kind == kind {
				return reconcilers.NewRef(r.Kind.GroupKind(), "apps", name)
			}
		}
		return reconcilers.Ref{GroupKind: secretKind, Namespace: "apps", Name: name}
	}
	vars := reconcilers.Ref{GroupKind: configMapKind, Namespace: "apps", Name: "vars"}
	whole := key("Kustomization", "base")
	whole.Whole = true
	w.memory = map[string]bool{"sha256:1": true}
	w.states = map[string]State{
		"Kustomization/apps/app": {
			Since: minutes(-3), Ended: minutes(-3), Last: "waiting", Due: minutes(27),
			Reads: []reconcilers.Ref{key("GitRepository", "repo"), whole, vars, key("Secret", "more"), key("Secret", "of-a-flag")},
		},
		"Kustomization/apps/base": {Since: minutes(-1), Ended: minutes(-1), Last: "failed", Failures: 3, Due: minutes(1), Reads: []reconcilers.Ref{key("GitRepository", "repo")}},
		"GitRepository/apps/repo": {},
	}
	want := `Kustomization/apps/app is not ready: dependency 'apps/base' is not ready
  ↳ its dependency Kustomization/apps/base (spec.dependsOn[0]) is not ready: no such file

Kustomization/apps/app
  status      Ready is False, DependencyNotReady, since 2030-01-01T11:57:00Z (3m ago): dependency 'apps/base' is not ready
  revision    main@sha1:old is applied, main@sha1:abc was tried last
  process     rests since 2030-01-01T11:57:00Z (3m ago); its last run ended 2030-01-01T11:57:00Z (3m ago), waiting
  next run    2030-01-01T12:27:00Z (in 27m), or at once when one of these changes: its spec, its annotation reconcile.fluxcd.io/requestedAt, GitRepository/apps/repo, Kustomization/apps/base, ConfigMap/apps/vars, Secret/apps/more, other references (1) (Secrets and ConfigMaps with the label watch=Enabled)
  schedule    every 10m
  source      GitRepository/apps/repo is ready at main@sha1:abc, in memory
  depends on  Kustomization/apps/base is not ready: no such file
  reads       ConfigMap/apps/vars is there
  reads       Secret/apps/more does not exist, and need not

Kustomization/apps/base
  status      Ready is False, BuildFailed, since 2030-01-01T11:57:00Z (3m ago): no such file
  process     rests since 2030-01-01T11:59:00Z (1m ago); its last run ended 2030-01-01T11:59:00Z (1m ago), failed; failed runs in a row: 3
  next run    2030-01-01T12:01:00Z (in 1m), after the retry interval, or a delay that grows with each failure, or at once when one of these changes: its spec, its annotation reconcile.fluxcd.io/requestedAt, GitRepository/apps/repo
  schedule    every 10m, after a failure 2m
  source      GitRepository/apps/repo is ready at main@sha1:abc, in memory
`
	if diff := cmp.Diff(want, w.explained("Kustomization/apps/app")); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

// Where an object stands, in words.
func TestPlaces(t *testing.T) {
	for what, c := range map[string]struct {
		state State
		want  []string
	}{
		"running":      {State{Running: true, Since: minutes(-2)}, []string{"process     runs since 2030-01-01T11:58:00Z (2m ago)\n", "next run    now\n"}},
		"once more":    {State{Running: true, Queued: true}, []string{"process     runs, and once more after that\n"}},
		"queued":       {State{Queued: true, Since: minutes(-1)}, []string{"process     is queued behind others since 2030-01-01T11:59:00Z (1m ago)\n", "next run    now\n"}},
		"parked":       {State{Parked: true}, []string{"next run    at no set time, only when one of these changes: its spec, its annotation"}},
		"due":          {State{Due: minutes(-1)}, []string{"next run    now\n"}},
		"cold":         {State{Cold: true, Due: minutes(1)}, []string{"it waits for bytes of its source to come to memory", "main@sha1:abc, known from status alone"}},
		"no such luck": {State{}, []string{"rests\n"}},
	} {
		w := newWorld(t, repository())
		w.states = map[string]State{"GitRepository/apps/repo": c.state}
		text := w.explained("gitrepo/repo")
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", what, want, text)
			}
		}
	}
}

// Without a process nothing is said of what only a process knows.
func TestTextFromStatusAlone(t *testing.T) {
	w := newWorld(t, repository())
	want := `GitRepository/apps/repo is ready at main@sha1:abc

GitRepository/apps/repo
  status      Ready is True, Succeeded, since 2030-01-01T11:57:00Z (3m ago): stored
  revision    main@sha1:abc
  schedule    every 10m
`
	if diff := cmp.Diff(want, w.explained("gitrepositories.source.toolkit.fluxcd.io/repo")); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

// A long chain and many references end.
func TestBounds(t *testing.T) {
	var objects []string
	for i := range 3 * mostNodes {
		objects = append(objects, thing("Kustomization", fmt.Sprintf("k%d", i), fmt.Sprintf("False DependencyNotReady dependency 'apps/k%d' is not ready", i+1),
			fmt.Sprintf("spec dependsOn: [{name: k%d}]", i+1)))
	}
	w := newWorld(t, objects...)
	lines := strings.Split(w.causes("ks/k0"), "\n")
	if len(lines) != mostHops || !strings.HasSuffix(lines[mostHops-1], fmt.Sprintf("(Kustomization/apps/k%d is not followed: it is too far from here)", mostHops)) {
		t.Errorf("%d lines, the last is %s", len(lines), lines[len(lines)-1])
	}
	if w.reads > mostNodes {
		t.Errorf("%d reads", w.reads)
	}
	many := newWorld(t, thing("Kustomization", "app", "Unknown Progressing Running", fromRepo, "status inventory: {entries: ["+strings.Repeat("{id: apps_gone_apps_Deployment, v: v1},", 500)+"]}"))
	if text := many.explained("ks/app"); !strings.Contains(text, "490 objects were not looked at") || many.reads > mostNodes {
		t.Errorf("%d reads, %s", many.reads, text)
	}
}

func TestExplainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ref := reconcilers.NewRef(api.KustomizationGVK.GroupKind(), "apps", "app")
	if _, err := New(Config{World: newWorld(t)}).Explain(ctx, ref, now); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSubject(t *testing.T) {
	for text, want := range map[string]string{
		"ks/app": "Kustomization/apps/app", "Kustomization/other/app": "Kustomization/other/app", "HELMRELEASES/app": "HelmRelease/apps/app",
		"hc/app": "HelmChart/apps/app", "kustomization.kustomize.toolkit.fluxcd.io/app": "Kustomization/apps/app",
		"app": "", "ks/": "", "/app": "", "ks/a/b/c": "", "ks//a": "", "deployment/web": "", "kustomization.config.k8s.io/app": "",
	} {
		ref, err := Subject(text, "apps", nil)
		if (err == nil) != (want != "") || err == nil && ref.String() != want {
			t.Errorf("%s: got %s, %v", text, ref, err)
		}
	}
}
