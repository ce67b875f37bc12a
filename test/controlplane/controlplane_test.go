package controlplane

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// begin starts a control plane for one test.
func begin(t *testing.T, o Options) (*ControlPlane, context.Context) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it starts a control plane, which may have to be built for minutes")
	}
	if _, err := Build(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	o.LogDir = t.ArtifactDir()
	began := time.Now()
	c, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %s", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c, ctx
}

// must runs kubectl and returns what it printed, without the space around.
func must(t *testing.T, c *ControlPlane, ctx context.Context, args ...string) string {
	t.Helper()
	output, err := c.Kubectl(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(output)
}

func TestClusterLivesAndRestarts(t *testing.T) {
	c, ctx := begin(t, Options{})

	must(t, c, ctx, "create", "namespace", "live")
	must(t, c, ctx, "-n", "live", "create", "deployment", "web", "--image=example.com/web", "--replicas=2")
	must(t, c, ctx, "-n", "live", "create", "job", "once", "--image=example.com/once")
	must(t, c, ctx, "-n", "live", "wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
	must(t, c, ctx, "-n", "live", "wait", "--for=condition=Complete", "job/once", "--timeout=60s")

	if err := c.RestartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	if got := must(t, c, ctx, "-n", "live", "get", "deployment", "web", "-o=jsonpath={.status.readyReplicas}"); got != "2" {
		t.Errorf("after a restart %q replicas are ready, want 2", got)
	}

	must(t, c, ctx, "delete", "namespace", "live", "--timeout=60s")
	if got := must(t, c, ctx, "get", "pods", "--all-namespaces", "-o=name"); got != "" {
		t.Errorf("pods are left of a deleted namespace: %s", got)
	}
}

func TestPodsDoAsAnnotated(t *testing.T) {
	c, ctx := begin(t, Options{Nodes: 1})
	manifest := `
apiVersion: batch/v1
kind: Job
metadata: {name: bad}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {fluxd.test/fail: "true"}}
    spec: {restartPolicy: Never, containers: [{name: main, image: example.com/bad}]}
---
apiVersion: v1
kind: Pod
metadata: {name: late, annotations: {fluxd.test/never-ready: "true"}}
spec: {containers: [{name: main, image: example.com/late}]}
`
	if _, err := c.KubectlInput(ctx, manifest, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	must(t, c, ctx, "wait", "--for=condition=Failed", "job/bad", "--timeout=60s")
	must(t, c, ctx, "wait", "--for=jsonpath={.status.phase}=Running", "pod/late", "--timeout=60s")
	must(t, c, ctx, "wait", "--for=condition=Ready=False", "pod/late", "--timeout=60s")
	must(t, c, ctx, "annotate", "pod/late", "fluxd.test/never-ready-")
	must(t, c, ctx, "wait", "--for=condition=Ready", "pod/late", "--timeout=60s")
}

func TestFaults(t *testing.T) {
	c, ctx := begin(t, Options{})
	must(t, c, ctx, "create", "configmap", "kept", "--from-literal=a=b")

	if err := c.StopEtcd(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if output, err := c.Kubectl(short, "create", "configmap", "lost"); err == nil {
		t.Errorf("without etcd an object was created: %s", output)
	}
	if err := c.StartEtcd(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.KillAPIServer(); err != nil {
		t.Fatal(err)
	}
	if err := c.KillAPIServer(); err == nil {
		t.Error("an API server was killed twice")
	}
	if err := c.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	if got := must(t, c, ctx, "get", "configmap", "kept", "-o=jsonpath={.data.a}"); got != "b" {
		t.Errorf("after the faults the object holds %q, want b", got)
	}

	saved, err := c.SaveEtcd(ctx)
	if err != nil {
		t.Fatal(err)
	}
	must(t, c, ctx, "create", "configmap", "undone")
	must(t, c, ctx, "delete", "configmap", "kept")
	if err := c.RestoreEtcd(ctx, saved); err != nil {
		t.Fatal(err)
	}
	must(t, c, ctx, "get", "configmap", "kept")
	if output, err := c.Kubectl(ctx, "get", "configmap", "undone"); err == nil {
		t.Errorf("an object is there that was created after what was restored: %s", output)
	}
}

func TestAuditCountsByUser(t *testing.T) {
	robot := User{Name: "system:serviceaccount:default:robot"}
	c, ctx := begin(t, Options{Nodes: 1, AuditUsers: []string{FluxdUser, robot.Name}, Users: []User{robot}})
	as := func(user string, args ...string) error {
		t.Helper()
		path, err := c.KubeconfigFor(user)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Kubectl(ctx, append([]string{"--kubeconfig=" + path}, args...)...)
		return err
	}

	if err := as(FluxdUser, "create", "configmap", "one"); err != nil {
		t.Fatal(err)
	}
	if err := as(robot.Name, "create", "configmap", "two"); err == nil {
		t.Error("a user without a role may write")
	}
	counts, err := c.AuditCounts(FluxdUser)
	if err != nil {
		t.Fatal(err)
	}
	if counts.Of("create", "configmaps") != 1 || counts.Writes() != 1 {
		t.Errorf("fluxd's requests, want one write:\n%s", counts)
	}
	refused, err := c.AuditEvents(AuditMark{}, robot.Name)
	if err != nil {
		t.Fatal(err)
	}
	if last := refused[len(refused)-1]; last.Code != 403 || last.Request.Verb != "create" || last.Namespace != "default" {
		t.Errorf("the robot's last request = %+v, want a create that was forbidden", last)
	}

	if _, err := c.MarkAudit(); err != nil {
		t.Fatal(err)
	}
	if counts, err = c.AuditCounts(""); err != nil || counts.Total() != 0 {
		t.Errorf("after the mark: %v requests, %v; want none", counts, err)
	}
	if _, err := c.KubeconfigFor("stranger"); err == nil {
		t.Error("a stranger got a kubeconfig")
	}
}

func TestStartOrUseTakesTheOnesGiven(t *testing.T) {
	path := t.TempDir() + "/config"
	t.Setenv("KUBECONFIG", path)
	if _, err := StartOrUse(t.Context(), Options{}); err == nil {
		t.Error("a kubeconfig that does not exist was used")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := StartOrUse(t.Context(), Options{})
	if err != nil || c.Kubeconfig() != path {
		t.Fatalf("StartOrUse = %v, %v; want the cluster of %s", c, err, path)
	}
	if got, err := c.KubeconfigFor(FluxdUser); err != nil || got != path {
		t.Errorf("KubeconfigFor = %q, %v; want the same", got, err)
	}
	for name, err := range map[string]error{
		"KillAPIServer":    c.KillAPIServer(),
		"StartAPIServer":   c.StartAPIServer(t.Context()),
		"RestartAPIServer": c.RestartAPIServer(t.Context()),
		"StopEtcd":         c.StopEtcd(),
		"StartEtcd":        c.StartEtcd(t.Context()),
		"SaveEtcd":         second(c.SaveEtcd(t.Context())),
		"RestoreEtcd":      c.RestoreEtcd(t.Context(), Snapshot{}),
	} {
		if err == nil {
			t.Errorf("%s of a cluster that is not ours returned no error", name)
		}
	}
	if err := c.Stop(); err != nil {
		t.Errorf("Stop of a cluster that is not ours: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
