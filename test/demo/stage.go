package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

// stage is everything that the demo runs on.
type stage struct {
	*teller
	dir     string
	cluster *harness.Cluster
	daemon  *harness.Daemon
	server  *gittest.Server
	repo    *gittest.Repo
	origins origins
	owned   bool // the control plane is ours
}

// setUp builds and starts the control plane, a Git server and fluxd.
func setUp(ctx context.Context, t *teller) (*stage, error) {
	s := &stage{teller: t, owned: os.Getenv("KUBECONFIG") == ""}
	done := false
	defer func() {
		if !done {
			s.close()
		}
	}()
	t.chapter("Setting the stage")
	if s.owned {
		t.say("the control plane: etcd, kube-apiserver, controllers, scheduler, two simulated nodes")
	}
	began := time.Now()
	cp, err := controlplane.StartOrUse(ctx, controlplane.Options{Audit: true, AuditUsers: []string{controlplane.FluxdUser}, Progress: t})
	if err != nil {
		return nil, err
	}
	s.cluster = &harness.Cluster{ControlPlane: cp}
	t.took("Kubernetes answers", time.Since(began))
	if err := s.serve(ctx); err != nil {
		return nil, err
	}
	if s.cluster, err = harness.Use(ctx, cp); err != nil {
		return nil, err
	}
	t.say("the CRDs are installed")
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	done = true
	return s, nil
}

// serve starts a Git server with the application repository, and the other servers.
func (s *stage) serve(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "fluxd-demo-"); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	if s.repo, err = gittest.NewRepo(ctx, s.dir, "shop"); err != nil {
		return err
	}
	if _, err = s.repo.Commit(ctx, "main", "open the shop", shop()); err != nil {
		return err
	}
	if s.server, err = gittest.Serve(s.dir); err != nil {
		return err
	}
	s.say("a Git server with the repository %s", s.server.RepoURL(s.repo))
	return s.serveOrigins(ctx)
}

// start builds and starts the daemon.
func (s *stage) start(ctx context.Context) error {
	binary, err := harness.Build(ctx, s.dir)
	if err != nil {
		return err
	}
	kubeconfig, err := s.cluster.KubeconfigFor(controlplane.FluxdUser)
	if err != nil {
		return err
	}
	began := time.Now()
	if s.daemon, err = harness.Start(binary, kubeconfig); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.daemon.Ready(ready); err != nil {
		return err
	}
	s.did("fluxd run --kubeconfig=" + kubeconfig)
	s.took("fluxd is ready", time.Since(began))
	return nil
}

// keep waits for an interrupt if everything is to stay.
func (s *stage) keep(ctx context.Context) error {
	if os.Getenv("KEEP") == "" {
		return nil
	}
	s.chapter("Everything stays up until you press Ctrl-C")
	s.did("export KUBECONFIG=" + s.cluster.Kubeconfig())
	s.did("kubectl get gitrepositories,kustomizations -A")
	s.did("git clone " + s.server.RepoURL(s.repo))
	<-ctx.Done()
	return nil
}

// close takes everything down, last first.
func (s *stage) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if s.cluster != nil && s.cluster.Dynamic != nil && !s.owned {
		s.leave(ctx)
	}
	if s.daemon != nil {
		_ = s.daemon.Stop(ctx) // it is killed if it does not stop
	}
	if s.server != nil {
		_ = s.server.Close()
	}
	_ = s.origins.close() // they die with this process
	if s.cluster != nil {
		_ = s.cluster.Stop()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

var secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// leave removes what the demo put into a cluster that is not its own.
func (s *stage) leave(ctx context.Context) {
	if s.cluster.Delete(ctx, api.HelmReleaseGVR, namespace, "cart") == nil {
		_, _ = s.cluster.Wait(ctx, api.HelmReleaseGVR, namespace, "cart", harness.Gone)
	}
	for _, name := range []string{"banner", "prices", "storefront", "infrastructure"} {
		if s.cluster.Delete(ctx, harness.Kustomized, namespace, name) == nil {
			_, _ = s.cluster.Wait(ctx, harness.Kustomized, namespace, name, harness.Gone)
		}
	}
	for _, left := range []struct {
		gvr  schema.GroupVersionResource
		name string
	}{
		{harness.Sources, "shop"}, {api.OCIRepositoryGVR, "banner"}, {api.OCIRepositoryGVR, "cart"}, {api.BucketGVR, "prices"},
		{api.HelmChartGVR, "till"}, {api.HelmRepositoryGVR, "charts"}, {secrets, keysName},
	} {
		_ = s.cluster.Delete(ctx, left.gvr, namespace, left.name) // it may never have been made
	}
}
