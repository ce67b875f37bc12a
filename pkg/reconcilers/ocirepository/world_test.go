package ocirepository_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/reconcilers/ocirepository"
	"github.com/fluxd/fluxd/pkg/reconcilers/reconcilertest"
	"github.com/fluxd/fluxd/pkg/sources/oci/ocitest"
	"github.com/fluxd/fluxd/pkg/transport"
)

const (
	repository = "team/apps"
	password   = "s3cr3t-word"
)

var owner = artifacts.Owner{Kind: api.OCIRepositoryKind, Namespace: "ns", Name: "apps"}

// world is a registry and a reconciler with its Secrets and ServiceAccounts.
type world struct {
	t        *testing.T
	registry *ocitest.Registry
	store    *artifacts.Store
	secrets  reconcilertest.Secrets
	accounts accounts
	clouds   *identity.Clouds
	options  ocirepository.Options
	limits   artifacts.Limits
	plugin   reconcilers.Plugin
}

// accounts holds the pull secrets of ServiceAccounts by namespace/name.
type accounts map[string][]string

func (a accounts) PullSecrets(_ context.Context, namespace, name string) ([]string, bool, error) {
	names, ok := a[namespace+"/"+name]
	return names, ok, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, registry: ocitest.New(), secrets: reconcilertest.Secrets{}, accounts: accounts{}, clouds: identity.New(identity.Options{})}
	t.Cleanup(w.registry.Close)
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
	w.plugin = ocirepository.Plugin(attempt.Config{
		Store: store, Secrets: w.secrets, Clouds: w.clouds, Hosts: transport.NewHosts(),
		BaseURL: "http://source/", Limits: w.limits,
	}, w.accounts, w.options)
}

func (w *world) object() *v1.OCIRepository {
	o := &v1.OCIRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "apps", Generation: 1},
		Spec: v1.OCIRepositorySpec{
			URL: w.registry.URL(repository), Insecure: true, Interval: metav1.Duration{Duration: time.Minute},
			Timeout: &metav1.Duration{Duration: 10 * time.Second}, Reference: &v1.OCIRepositoryRef{Tag: "latest"},
		},
	}
	o.SetGroupVersionKind(api.OCIRepositoryGVK)
	return o
}

func (w *world) reconcile(o *v1.OCIRepository) (reconcilers.Result, error) {
	w.t.Helper()
	return reconcilertest.Reconcile(w.t.Context(), w.t, w.plugin, o)
}

func (w *world) ready(o *v1.OCIRepository) reconcilers.Result {
	w.t.Helper()
	result, err := w.reconcile(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *world) fails(o *v1.OCIRepository) error {
	w.t.Helper()
	_, err := w.reconcile(o)
	if err == nil {
		w.t.Fatal("it did not fail")
	}
	return err
}

// files returns what consumers of the object get, nil if there is nothing.
func (w *world) files(o *v1.OCIRepository) map[string]string {
	w.t.Helper()
	if o.Status.Artifact == nil {
		return nil
	}
	tree, release, err := w.store.Open(owner, o.Status.Artifact.Digest)
	if err != nil {
		return nil
	}
	defer release()
	all := map[string]string{}
	err = fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, path)
		all[path] = string(content)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// pullSecret returns the data of a pull secret for the registry.
func (w *world) pullSecret(user string) map[string][]byte {
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return map[string][]byte{".dockerconfigjson": fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, w.registry.Host(), auth)}
}

func ref(name string) *api.LocalObjectReference { return &api.LocalObjectReference{Name: name} }
