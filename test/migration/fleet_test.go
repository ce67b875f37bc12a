package migration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/program"
	"github.com/fluxd/fluxd/test/upstream"
)

const (
	// stockUser is whom the API server knows the Flux controllers as.
	stockUser = "flux"
	// system is the namespace of both.
	system = "flux-system"
	// long is how long a whole fleet may take to become ready.
	long = time.Minute
)

// files are contents by name, NS being the namespace of the test.
type files = map[string]string

// object is what is waited for.
type object = unstructured.Unstructured

// fleet is a cluster, what it is made from, and who looks after it.
type fleet struct {
	*world.World
	repo    *gittest.Repo
	charts  *upstream.HelmIndex
	storage string // where the source-controller serves artifacts
	dir     string // of the Flux controllers
	keys    map[string]string
	cli     string   // the flux command line
	env     []string // of commands

	stock  *harness.Stock
	daemon *harness.Daemon
}

// newFleet starts a control plane on which Flux is installed, though none of it runs yet.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	needStock(t)
	cli, err := harness.FluxCLI(t.Context(), os.Stderr)
	if err != nil {
		t.Skip(err)
	}
	plane, err := controlplane.Start(t.Context(), controlplane.Options{
		Audit: true, Users: []controlplane.User{{Name: stockUser, Admin: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { failing(t, plane.Stop()) })
	cluster, err := harness.Use(t.Context(), plane)
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{World: world.New(t, cluster, "{}"), dir: t.TempDir(), keys: map[string]string{}, cli: cli}
	f.run(cli, "install", "--namespace="+system)
	if f.storage, err = program.FreeAddress(); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{stockUser, controlplane.FluxdUser} {
		if f.keys[user], err = plane.KubeconfigFor(user); err != nil {
			t.Fatal(err)
		}
	}
	if f.repo, err = gittest.NewRepo(t.Context(), gits.Root, f.Namespace); err != nil {
		t.Fatal(err)
	}
	if f.charts, err = upstream.StartHelmIndex(upstream.HelmIndexOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { failing(t, f.charts.Close()) })
	t.Cleanup(f.tell)
	t.Cleanup(f.end)
	return f
}

func failing(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

// end ends whoever is left, by force.
func (f *fleet) end() {
	if f.stock != nil {
		failing(f.T, f.stock.Kill())
	}
	if f.daemon != nil {
		failing(f.T, f.daemon.Kill())
	}
}

// tell says what those who looked after the cluster said last, if the test has failed.
func (f *fleet) tell() {
	if !f.T.Failed() {
		return
	}
	if f.daemon != nil {
		f.T.Log("fluxd:\n" + last(f.daemon.Logs()))
	}
	if f.stock != nil {
		for _, name := range harness.StockControllers {
			f.T.Log(name + ":\n" + last(strings.Split(f.stock.Output(name), "\n")))
		}
	}
}

func last(lines []string) string { return strings.Join(lines[max(0, len(lines)-12):], "\n") }

// within bounds a step.
func (f *fleet) within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(f.T.Context(), d)
}

// startStock starts the Flux controllers, which hold no Lease unless they are to.
func (f *fleet) startStock(leases bool) {
	f.T.Helper()
	var err error
	if f.stock, err = harness.StartStockWith(f.dir, harness.StockOptions{
		Bin: stockBin, Kubeconfig: f.keys[stockUser], Storage: f.storage, Leases: leases, Requeue: time.Second,
	}); err != nil {
		f.T.Fatal(err)
	}
	ctx, cancel := f.within(long)
	defer cancel()
	if err := f.stock.Ready(ctx); err != nil {
		f.T.Fatal(err)
	}
}

// stopStock ends the Flux controllers. What the source-controller has stored goes as the
// volume of its Pod does.
func (f *fleet) stopStock() {
	f.T.Helper()
	ctx, cancel := f.within(long)
	defer cancel()
	if err := f.stock.Stop(ctx); err != nil {
		f.T.Fatal(err)
	}
	f.forgetStock()
}

// killStock ends the Flux controllers without a warning.
func (f *fleet) killStock() {
	f.T.Helper()
	failing(f.T, f.stock.Kill())
	f.forgetStock()
}

// killFluxd ends the daemon without a warning.
func (f *fleet) killFluxd() {
	f.T.Helper()
	failing(f.T, f.daemon.Kill())
	f.daemon = nil
}

// forgetStock removes what the Flux controllers have stored.
func (f *fleet) forgetStock() {
	f.T.Helper()
	f.stock = nil
	if err := os.RemoveAll(f.dir); err != nil {
		f.T.Fatal(err)
	}
}

// startFluxd starts the daemon.
func (f *fleet) startFluxd(flags ...string) {
	f.T.Helper()
	flags = append([]string{
		"--storage-adv-addr=" + f.storage, "--min-retry-delay=200ms", "--max-retry-delay=2s",
		"--enable-leader-election", "--leader-election-retry-period=200ms",
	}, flags...)
	var err error
	if f.daemon, err = harness.Start(binary, f.keys[controlplane.FluxdUser], flags...); err != nil {
		f.T.Fatal(err)
	}
}

// stopFluxd ends the daemon.
func (f *fleet) stopFluxd() {
	f.T.Helper()
	ctx, cancel := f.within(long)
	defer cancel()
	if err := f.daemon.Stop(ctx); err != nil {
		f.T.Fatal(err)
	}
	f.daemon = nil
}

// commit commits files to main and returns the revision of that.
func (f *fleet) commit(content files) (revision string) {
	f.T.Helper()
	expanded := make(files, len(content))
	for name, text := range content {
		expanded[name] = f.Expand(text)
	}
	id, err := f.repo.Commit(f.T.Context(), "main", "change", expanded)
	if err != nil {
		f.T.Fatal(err)
	}
	return "main@sha1:" + id
}

// push pushes a chart as helm push does.
func (f *fleet) push(c upstream.Chart) {
	f.T.Helper()
	artifact, tag, err := c.Artifact()
	if err == nil {
		_, err = oci.Push(f.T.Context(), f.Namespace+"/"+c.Name, tag, artifact)
	}
	if err != nil {
		f.T.Fatal(err)
	}
}

// command runs a program as a person would, and returns all that it says.
func (f *fleet) command(program string, args ...string) (string, error) {
	ctx, cancel := f.within(long)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+f.Cluster.Kubeconfig(), "HOME="+f.T.TempDir())
	cmd.Env = append(cmd.Env, f.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run is command for one that must succeed.
func (f *fleet) run(program string, args ...string) string {
	f.T.Helper()
	out, err := f.command(program, args...)
	if err != nil {
		f.T.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

// ready waits until an object is ready at a generation that was seen.
func (f *fleet) ready(gvr schema.GroupVersionResource, name string) {
	f.T.Helper()
	f.WaitFor(long, gvr, name, harness.Ready)
}

// scale sets the replicas of Deployments as the page says, in its words.
func (f *fleet) scale(which string, replicas int) {
	f.T.Helper()
	args := append([]string{"-n", system, "scale", "deployment"}, strings.Fields(which)...)
	if out, err := f.Cluster.Kubectl(f.T.Context(), append(args, fmt.Sprintf("--replicas=%d", replicas))...); err != nil {
		f.T.Fatal(err, out)
	}
}
