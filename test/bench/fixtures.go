package main

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
)

// repository makes a repository with one commit and returns its URL.
func (b *bench) repository(ctx context.Context, name string, files map[string]string) (string, error) {
	repo, err := gittest.NewRepo(ctx, b.dir, name)
	if err != nil {
		return "", err
	}
	if _, err := repo.Commit(ctx, "main", "first", files); err != nil {
		return "", err
	}
	return b.via(b.server.RepoURL(repo))
}

// all waits until n Kustomizations are as is says.
func (b *bench) all(ctx context.Context, n int, is func(*unstructured.Unstructured) bool) error {
	return b.allOf(ctx, harness.Kustomized, n, is)
}

// allOf waits until n objects of a kind are as is says, on one watch.
func (b *bench) allOf(ctx context.Context, gvr schema.GroupVersionResource, n int, is func(*unstructured.Unstructured) bool) error {
	client := b.cluster.Dynamic.Resource(gvr).Namespace(namespace)
	list, err := client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	done := make(map[string]bool)
	for i := range list.Items {
		done[list.Items[i].GetName()] = is(&list.Items[i])
	}
	w, err := client.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		return err
	}
	defer w.Stop()
	for count(done) < n {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d are there: %w", count(done), n, ctx.Err())
		case event, open := <-w.ResultChan():
			obj, ok := event.Object.(*unstructured.Unstructured)
			if !open || !ok {
				return fmt.Errorf("the watch ended with %d of %d", count(done), n)
			}
			done[obj.GetName()] = event.Type != watch.Deleted && is(obj)
		}
	}
	return nil
}

// afterwards waits until n objects of a kind are as is says, and watches them from
// before do.
func (b *bench) afterwards(ctx context.Context, do func() error, gvr schema.GroupVersionResource, n int, is func(*unstructured.Unstructured) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.allOf(ctx, gvr, n, is) }()
	if err := do(); err != nil {
		return err
	}
	return <-done
}

func count(done map[string]bool) int {
	n := 0
	for _, ok := range done {
		if ok {
			n++
		}
	}
	return n
}

// fourConfigs are manifests of objects that nobody but fluxd acts upon.
func fourConfigs(i int) map[string]string {
	files := make(map[string]string)
	for j := range 4 {
		files[fmt.Sprintf("app/config-%d.yaml", j)] = strings.Replace(configMap(i, "value"), "app-", fmt.Sprintf("config-%d-", j), 1)
	}
	return files
}

// fourObjects are the manifests of a small application, which keep the controllers
// of Kubernetes busy as well.
func fourObjects(i int) map[string]string {
	return map[string]string{
		"app/config.yaml": configMap(i, "value"),
		"app/account.yaml": fmt.Sprintf(`apiVersion: v1
kind: ServiceAccount
metadata:
  name: app-%d
  namespace: %s
`, i, namespace),
		"app/service.yaml": fmt.Sprintf(`apiVersion: v1
kind: Service
metadata:
  name: app-%[1]d
  namespace: %[2]s
spec:
  selector:
    app: app-%[1]d
  ports:
    - port: 80
`, i, namespace),
		"app/deployment.yaml": fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-%[1]d
  namespace: %[2]s
spec:
  replicas: 0
  selector:
    matchLabels:
      app: app-%[1]d
  template:
    metadata:
      labels:
        app: app-%[1]d
    spec:
      serviceAccountName: app-%[1]d
      containers:
        - name: app
          image: docker.io/library/nginx:1.29
`, i, namespace),
	}
}

func configMap(i int, value string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata:
  name: app-%d
  namespace: %s
data:
  key: %s
`, i, namespace, value)
}

// workload is a Deployment that takes a second to get ready.
func workload(name string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
  namespace: %[2]s
spec:
  replicas: 1
  selector:
    matchLabels:
      app: %[1]s
  template:
    metadata:
      labels:
        app: %[1]s
      annotations:
        fluxd.test/ready-after: 1s
    spec:
      containers:
        - name: app
          image: docker.io/library/nginx:1.29
`, name, namespace)
}

func source(name, url string) string {
	return fmt.Sprintf(`---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: %s
  namespace: %s
spec:
  interval: 1h
  url: %s
  ref:
    branch: main
`, name, namespace, url)
}

// kustomization returns the manifest of one; extra are further lines of spec.
func kustomization(name, source, path, extra string) string {
	return fmt.Sprintf(`---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: %s
  namespace: %s
spec:
  interval: 1h
  prune: true
  path: %s
  sourceRef:
    kind: GitRepository
    name: %s
%s`, name, namespace, path, source, extra)
}
