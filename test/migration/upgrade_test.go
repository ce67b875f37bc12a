package migration

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// slow is a chart with a Pod that does not become ready where the values say so.
func slow() upstream.Chart {
	return upstream.Chart{Name: "slow", Version: "1.0.0", Values: "word: first\nstuck: false\n", Files: map[string]string{
		"templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-config}\ndata: {word: {{ .Values.word }}}\n",
		"templates/deployment.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: slow}}
  template:
    metadata: {labels: {app: slow}, annotations: {word: {{ .Values.word }}, fluxd.test/never-ready: "{{ .Values.stuck }}"}}
    spec: {containers: [{name: main, image: example.com/slow}]}
`,
		"templates/hook.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {name: {{ .Values.word }}-{{ .Release.Revision }}, annotations: {helm.sh/hook: pre-upgrade}}\n" +
			"spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: example.com/job}]}}}\n",
	}}
}

// An upgrade in whose middle one ends, killed or in good order, is finished by the other:
// what was pending is marked as failed, and there is one revision more, whose hooks run
// once. None is lost, and nobody makes another.
func TestEndInUpgrade(t *testing.T) {
	f := newFleet(t)
	f.commit(slow().DirectoryOf("slow"))
	f.Create(f.Manifest(sourceVersion, "GitRepository", "fleet", "url: "+gits.RepoURL(f.repo), "ref: {branch: main}") +
		f.Manifest(helmVersion, "HelmRelease", "web", "timeout: 2m", "chart: {spec: {chart: ./slow, sourceRef: {kind: GitRepository, name: fleet}}}"))
	f.startStock(false)
	revision := int64(1)
	f.WaitFor(long, api.HelmReleaseGVR, "web", revisionOf(revision))
	for _, way := range []struct {
		word string
		end  func() // of who has begun
		next func() // who goes on
	}{
		{"killed-stock", f.killStock, func() { f.startFluxd() }},
		{"killed-fluxd", f.killFluxd, func() { f.startStock(false) }},
		{"stopped-stock", f.stopStock, func() { f.startFluxd() }},
		{"stopped-fluxd", f.stopFluxd, func() { f.startStock(false) }},
	} {
		begun, anew := revision+1, revision+2
		f.Patch(api.HelmReleaseGVR, "web", map[string]any{"spec": map[string]any{"values": map[string]any{"word": way.word, "stuck": true}}})
		f.WaitFor(long, harness.ConfigMaps, "web-config", harness.Field(way.word, "data", "word"))
		world.Equal(t, way.word+": records in the middle", []string{record(revision, "deployed"), record(begun, "pending-upgrade")}, f.records(revision))
		way.end()
		t.Logf("%s: records when it has ended: %v", way.word, f.records(revision))
		way.next()
		f.Kubectl("wait", "--for=create", fmt.Sprintf("job/%s-%d", way.word, anew), "--timeout=60s")
		f.WaitFor(long, world.Secrets, fmt.Sprintf("sh.helm.release.v1.web.v%d", anew), func(obj *object) bool { return obj != nil })
		f.Kubectl("annotate", "pods", "-l", "app=slow", "--overwrite", "fluxd.test/never-ready=")
		f.WaitFor(long, api.HelmReleaseGVR, "web", revisionOf(anew))
		want := []string{record(revision, "superseded"), record(begun, "failed"), record(anew, "deployed")}
		world.Equal(t, way.word+": records in the end", want, f.records(revision))
		obj := f.WaitFor(long, api.HelmReleaseGVR, "web", harness.Field(f.Request(api.HelmReleaseGVR, "web"), "status", "lastHandledReconcileAt"))
		world.Equal(t, way.word+": revision after another reconcile", any(anew), newest(obj, "version"))
		world.Equal(t, way.word+": records after another reconcile", want, f.records(revision))
		var hooks []string
		for _, job := range f.list(harness.Jobs) {
			if strings.HasPrefix(job.GetName(), way.word) {
				hooks = append(hooks, job.GetName())
			}
		}
		world.Equal(t, "hooks", []string{fmt.Sprintf("%s-%d", way.word, begun), fmt.Sprintf("%s-%d", way.word, anew)}, hooks)
		revision = anew
	}
}

// record is how a revision of the release "web" is told.
func record(revision int64, status string) string { return fmt.Sprintf("v%d %s", revision, status) }

// records are those of the release "web" from a revision on.
func (f *fleet) records(from int64) []string {
	f.T.Helper()
	list, err := f.Cluster.Dynamic.Resource(world.Secrets).Namespace(f.Namespace).List(f.T.Context(), metav1.ListOptions{LabelSelector: "owner=helm,name=web"})
	if err != nil {
		f.T.Fatal(err)
	}
	all := map[int64]string{}
	for _, s := range list.Items {
		n, err := strconv.ParseInt(s.GetLabels()["version"], 10, 64)
		if err == nil && n >= from {
			all[n] = record(n, s.GetLabels()["status"])
		}
	}
	var told []string
	for _, n := range slices.Sorted(maps.Keys(all)) {
		told = append(told, all[n])
	}
	return told
}

// While Flux controllers hold their Leases, fluxd waits, and writes nothing; it takes over
// when they end. While fluxd runs, controllers wait that are started beside it, and take
// over when it ends.
func TestLeases(t *testing.T) {
	needStock(t)
	if err := harness.MountNamespaces(); err != nil {
		t.Skipf("a Flux controller holds a Lease only where it finds the namespace of its Pod: %v", err)
	}
	f := newFleet(t)
	rolled := func(value string) {
		t.Helper()
		f.commit(files{"config.yaml": configMap("config", value)})
		f.Request(harness.Sources, "fleet")
		f.WaitFor(long, harness.ConfigMaps, "config", harness.Field(value, "data", "key"))
	}
	f.commit(files{"config.yaml": configMap("config", "1")})
	f.Create(f.Manifest(sourceVersion, "GitRepository", "fleet", "url: "+gits.RepoURL(f.repo), "ref: {branch: main}") +
		f.Manifest(kustomizeVersion, "Kustomization", "app", "sourceRef: {kind: GitRepository, name: fleet}", "prune: true"))
	f.startStock(true)
	f.WaitFor(long, harness.ConfigMaps, "config", harness.Field("1", "data", "key"))

	mark := f.Mark()
	f.startFluxd()
	ctx, cancel := f.within(long)
	defer cancel()
	if err := f.daemon.Logged(ctx, "waiting for a Flux controller", "-leader-election"); err != nil {
		t.Fatal(err)
	}
	rolled("2")
	f.writesNothing(mark, controlplane.FluxdUser)
	f.stopStock()
	since := time.Now()
	rolled("3")
	t.Logf("fluxd rolled out a commit %s after Flux had ended", time.Since(since))
	for _, component := range []string{"source-controller", "kustomize-controller", "helm-controller"} {
		world.Contains(t, "holder of the Lease of "+component, f.holder(component), "fluxd_")
	}

	mark = f.Mark()
	f.startStock(true)
	rolled("4")
	f.writesNothing(mark, stockUser)
	world.Contains(t, "what the kustomize-controller says", f.stock.Output("kustomize-controller"), "Attempting to acquire leader lease")
	f.stopFluxd()
	since = time.Now()
	rolled("5")
	t.Logf("Flux rolled out a commit %s after fluxd had ended", time.Since(since))
	for _, component := range []string{"source-controller", "kustomize-controller"} {
		if holder := f.holder(component); strings.Contains(holder, "fluxd") {
			t.Errorf("the Lease of %s is held by %s", component, holder)
		}
	}
}

// writesNothing fails the test if a user has written anything since a mark but Leases.
func (f *fleet) writesNothing(since controlplane.AuditMark, user string) {
	f.T.Helper()
	status, others := f.writes(since, user)
	world.Equal(f.T, "status that "+user+" wrote while it waits", map[string]int{}, status)
	world.Equal(f.T, "what "+user+" wrote while it waits", map[string]int{}, others)
}

// holder returns who holds the Lease of a component.
func (f *fleet) holder(component string) string {
	f.T.Helper()
	out, err := f.Cluster.Kubectl(f.T.Context(), "-n", system, "get", "lease", component+"-leader-election", "-o", "jsonpath={.spec.holderIdentity}")
	if err != nil {
		f.T.Fatal(err, out)
	}
	return out
}
