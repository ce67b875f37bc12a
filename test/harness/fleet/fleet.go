package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

// Fleet is the objects and the servers that they come from.
type Fleet struct {
	Options
	amounts
	round    int    // how often everything has changed
	key      string // which opens what is encrypted
	dir      string
	repo     *gittest.Repo
	git      *upstream.Door
	registry *upstream.Registry
	s3       *upstream.S3
	index    *upstream.HelmIndex
	external *offer
	closers  []io.Closer
}

// Options are what a fleet is made of.
type Options struct {
	Cluster   *harness.Cluster
	Namespace string // which must exist
	// Labels are those of the objects of Flux, as a YAML mapping.
	Labels string
	// Index is how many bytes the index of charts has; zero makes it hold ours only.
	Index int
	// Few has less of everything but of what reconciles, for tests that are not about
	// memory.
	Few bool
}

// Start starts the servers and puts everything on them. Nothing is in the cluster yet.
func Start(ctx context.Context, o Options) (*Fleet, error) {
	f := &Fleet{Options: o, amounts: usual}
	if o.Few {
		f.amounts = few
	}
	if err := f.start(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// The credentials of the S3 server.
const (
	user     = "somebody"
	password = "of-the-fleet"
)

func (f *Fleet) start(ctx context.Context) (err error) {
	if f.dir, err = os.MkdirTemp("", "fluxd-fleet-"); err != nil {
		return err
	}
	if f.key, err = encrypted("keys/age.agekey"); err != nil {
		return err
	}
	if err := f.serveGit(ctx); err != nil {
		return err
	}
	if f.registry, err = upstream.StartRegistry(ctx, upstream.RegistryOptions{}); err != nil {
		return err
	}
	f.closers = append(f.closers, f.registry)
	if f.s3, err = upstream.StartS3(ctx, upstream.S3Options{AccessKey: user, SecretKey: password}); err != nil {
		return err
	}
	f.closers = append(f.closers, f.s3)
	if err := f.s3.MakeBucket(ctx, f.Namespace); err != nil {
		return err
	}
	if f.index, err = upstream.StartHelmIndex(upstream.HelmIndexOptions{}); err != nil {
		return err
	}
	f.closers = append(f.closers, f.index)
	if f.external, err = startOffer(); err != nil {
		return err
	}
	f.closers = append(f.closers, f.external.Door)
	return f.publish(ctx)
}

// serveGit serves a repository through a door, which can be shut.
func (f *Fleet) serveGit(ctx context.Context) error {
	server, err := gittest.Serve(f.dir)
	if err != nil {
		return err
	}
	f.closers = append(f.closers, server)
	if f.repo, err = gittest.NewRepo(ctx, f.dir, "fleet"); err != nil {
		return err
	}
	behind, err := forward(server.URL)
	if err != nil {
		return err
	}
	if f.git, err = upstream.OpenDoor(behind, upstream.Security{}); err != nil {
		return err
	}
	f.closers = append(f.closers, f.git)
	return nil
}

// Close ends the servers.
func (f *Fleet) Close() error {
	var failures []error
	for i := len(f.closers) - 1; i >= 0; i-- {
		failures = append(failures, f.closers[i].Close())
	}
	return errors.Join(append(failures, os.RemoveAll(f.dir))...)
}

func (f *Fleet) doors() []*upstream.Door {
	return []*upstream.Door{f.git, f.registry.Door, f.s3.Door, f.index.Door, f.external.Door}
}

// Shut makes all servers go, as if the network were gone, and Open undoes it.
func (f *Fleet) Shut() error {
	var failures []error
	for _, d := range f.doors() {
		failures = append(failures, d.Shut())
	}
	return errors.Join(failures...)
}

// Open undoes Shut.
func (f *Fleet) Open() error {
	var failures []error
	for _, d := range f.doors() {
		failures = append(failures, d.Open())
	}
	return errors.Join(failures...)
}

// publish puts what there is of this round on all servers.
func (f *Fleet) publish(ctx context.Context) error {
	files, err := f.repository()
	if err != nil {
		return err
	}
	if _, err := f.repo.Commit(ctx, "main", fmt.Sprint("round ", f.round), files); err != nil {
		return err
	}
	artifact, err := upstream.FluxArtifact(f.expand(plain("oci", f.round, f.plain)), map[string]string{"org.opencontainers.image.revision": fmt.Sprint("round@sha1:", f.round)})
	if err != nil {
		return err
	}
	if _, err := f.registry.Push(ctx, "fleet/oci", "latest", artifact); err != nil {
		return err
	}
	for name, text := range f.expand(plain("bucket", f.round, f.plain)) {
		if err := f.s3.Put(ctx, f.Namespace, name, []byte(text)); err != nil {
			return err
		}
	}
	packaged, tag, err := chart("pushed", f.round, f.released).Artifact()
	if err != nil {
		return err
	}
	if _, err := f.registry.Push(ctx, "fleet/charts/pushed", tag, packaged); err != nil {
		return err
	}
	return f.index.PublishAmong(f.Index, chart("indexed", f.round, f.released))
}

// Create creates everything in the cluster.
func (f *Fleet) Create(ctx context.Context) error {
	if _, err := f.Cluster.Create(ctx, f.manifests()); err != nil {
		return err
	}
	return f.offer(ctx)
}

// Change gives everything a new revision and asks for it. Ready waits until it is there.
func (f *Fleet) Change(ctx context.Context) error {
	f.round++
	if err := f.publish(ctx); err != nil {
		return err
	}
	if err := f.offer(ctx); err != nil {
		return err
	}
	return f.Request(ctx, f.Sources()...)
}

// Object is one object of the fleet.
type Object struct {
	Resource schema.GroupVersionResource
	Name     string
}

// Sources are those that have a server, without the charts made of them.
func (f *Fleet) Sources() []Object {
	return []Object{
		{api.GitRepositoryGVR, "fleet"}, {api.OCIRepositoryGVR, "fleet"}, {api.BucketGVR, "fleet"},
		{api.HelmRepositoryGVR, "fleet"}, {api.OCIRepositoryGVR, "pushed"},
	}
}

// Consumers are the twenty Kustomizations and the ten HelmReleases.
func (f *Fleet) Consumers() []Object {
	var all []Object
	for _, name := range kustomizations() {
		all = append(all, Object{api.KustomizationGVR, name})
	}
	for _, name := range releases() {
		all = append(all, Object{api.HelmReleaseGVR, name})
	}
	return all
}

// Request asks for a reconcile of objects.
func (f *Fleet) Request(ctx context.Context, objects ...Object) error {
	at := time.Now().Format(time.RFC3339Nano)
	for _, o := range objects {
		if _, err := f.Cluster.Patch(ctx, o.Resource, f.Namespace, o.Name, map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: at}},
		}); err != nil {
			return err
		}
	}
	return nil
}

// Handled asks for a reconcile of objects and waits until each was.
func (f *Fleet) Handled(ctx context.Context, objects ...Object) error {
	if err := f.Request(ctx, objects...); err != nil {
		return err
	}
	for _, o := range objects {
		now, err := f.Cluster.Get(ctx, o.Resource, f.Namespace, o.Name)
		if err != nil {
			return err
		}
		at := now.GetAnnotations()[api.AnnotationReconcileRequest]
		if _, err := f.Cluster.Wait(ctx, o.Resource, f.Namespace, o.Name, harness.Field(at, "status", "lastHandledReconcileAt")); err != nil {
			return err
		}
	}
	return nil
}

// Ready waits until everything is ready and what is applied is of this round.
func (f *Fleet) Ready(ctx context.Context) error {
	for _, name := range f.Marks() {
		if _, err := f.Cluster.Wait(ctx, harness.ConfigMaps, f.Namespace, name, harness.Field(fmt.Sprint(f.round), "data", "round")); err != nil {
			return err
		}
	}
	for _, o := range append(f.Sources(), f.Consumers()...) {
		if _, err := f.Cluster.Wait(ctx, o.Resource, f.Namespace, o.Name, harness.Ready); err != nil {
			return err
		}
	}
	return nil
}

// Marks are ConfigMaps that say which round it is, one of each Kustomization and release
// but for the one with definitions.
func (f *Fleet) Marks() []string {
	var names []string
	for _, name := range append(kustomizations(), releases()...) {
		if name != definitionsName {
			names = append(names, name+"-mark")
		}
	}
	return names
}

// Drift edits every second mark and deletes the others, and Mended waits until all are as
// they should be.
func (f *Fleet) Drift(ctx context.Context) error {
	for i, name := range f.Marks() {
		var err error
		if i%2 == 0 {
			_, err = f.Cluster.Patch(ctx, harness.ConfigMaps, f.Namespace, name, map[string]any{"data": map[string]any{"round": "edited"}})
		} else {
			err = f.Cluster.Delete(ctx, harness.ConfigMaps, f.Namespace, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Mended waits until all marks are as this round has them.
func (f *Fleet) Mended(ctx context.Context) error {
	for _, name := range f.Marks() {
		if _, err := f.Cluster.Wait(ctx, harness.ConfigMaps, f.Namespace, name, func(obj *unstructured.Unstructured) bool {
			return harness.Field(fmt.Sprint(f.round), "data", "round")(obj) && obj.GetDeletionTimestamp() == nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// Add commits a folder, with a Kustomization of its name.
func (f *Fleet) Add(ctx context.Context, name string, files map[string]string) error {
	if _, err := f.repo.Commit(ctx, "main", "add "+name, below(name, f.expand(files))); err != nil {
		return err
	}
	if err := f.Handled(ctx, Object{api.GitRepositoryGVR, "fleet"}); err != nil {
		return err
	}
	_, err := f.Cluster.Create(ctx, f.object(kustomizeAPI, "Kustomization", name, "prune: true", "path: ./"+name, "sourceRef: {kind: GitRepository, name: fleet}"))
	return err
}

// expand puts the namespace in the place of NS.
func (f *Fleet) expand(files map[string]string) map[string]string {
	out := make(map[string]string, len(files))
	for name, text := range files {
		out[name] = strings.ReplaceAll(text, "NS", f.Namespace)
	}
	return out
}

// encrypted reads one of the files that were encrypted with SOPS for the tests of it.
func encrypted(name string) (string, error) {
	root, err := harness.Root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "pkg", "render", "decrypt", "testdata", name))
	return string(text), err
}
