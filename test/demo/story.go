package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// patience bounds each thing that is waited for.
const patience = time.Minute

// install creates the objects and watches them become ready, one after the
// other.
func (s *stage) install(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.chapter("A repository becomes running objects")
	s.did("kubectl apply -f shop.yaml    # a GitRepository and two Kustomizations")
	began := time.Now()
	if _, err := s.cluster.Create(ctx, manifests(s.server.RepoURL(s.repo))); err != nil {
		return err
	}
	source, err := s.cluster.Wait(ctx, harness.Sources, namespace, "shop", harness.Ready)
	if err != nil {
		return err
	}
	_, _, message := harness.Condition(source, api.ConditionReady)
	s.took("the source is ready", time.Since(began))
	s.quote(message)
	waiting, err := s.cluster.Wait(ctx, harness.Kustomized, namespace, "storefront", harness.Failed(api.ReasonDependencyNotReady))
	if err != nil {
		return err
	}
	_, _, message = harness.Condition(waiting, api.ConditionReady)
	s.say("the storefront waits for what it depends on:")
	s.quote(message)
	if _, err := s.cluster.Wait(ctx, harness.Kustomized, namespace, "infrastructure", harness.Ready); err != nil {
		return err
	}
	infrastructure := time.Now()
	s.took("the infrastructure is ready: its database takes two seconds to start,", infrastructure.Sub(began))
	if _, err := s.cluster.Wait(ctx, harness.Kustomized, namespace, "storefront", harness.Ready); err != nil {
		return err
	}
	s.took("the storefront is ready as well,", time.Since(infrastructure))
	return s.show(ctx, "get", "deployments,services,configmaps", "-n", "shop", "-l", api.LabelKustomizationName)
}

func (s *stage) show(ctx context.Context, args ...string) error {
	command := "kubectl"
	for _, a := range args {
		command += " " + a
	}
	s.did(command)
	out, err := s.cluster.Kubectl(ctx, args...)
	if err != nil {
		return err
	}
	s.quote(out)
	return nil
}

// edit changes a managed object by hand and watches it being reverted.
func (s *stage) edit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.chapter("An edit by hand does not last")
	s.did("kubectl -n shop scale deployment frontend --replicas=1")
	began := time.Now()
	patch := map[string]any{"spec": map[string]any{"replicas": 1}}
	if _, err := s.cluster.Patch(ctx, harness.Deployments, "shop", "frontend", patch); err != nil {
		return err
	}
	if _, err := s.cluster.Wait(ctx, harness.Deployments, "shop", "frontend", replicas(3)); err != nil {
		return err
	}
	s.took("three replicas are asked for again", time.Since(began))
	return nil
}

func replicas(want int64) func(*unstructured.Unstructured) bool {
	return func(obj *unstructured.Unstructured) bool {
		if obj == nil {
			return false
		}
		got, _, _ := unstructured.NestedInt64(obj.Object, "spec", "replicas")
		return got == want
	}
}

// remove deletes a managed object and watches it come back.
func (s *stage) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.did("kubectl -n shop delete service backend")
	before, err := s.cluster.Get(ctx, harness.Services, "shop", "backend")
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.cluster.Delete(ctx, harness.Services, "shop", "backend"); err != nil {
		return err
	}
	if _, err := s.cluster.Wait(ctx, harness.Services, "shop", "backend", func(obj *unstructured.Unstructured) bool {
		return obj != nil && obj.GetUID() != before.GetUID()
	}); err != nil {
		return err
	}
	s.took("the service is back", time.Since(began))
	return nil
}

// commit pushes a new version and watches it roll out.
func (s *stage) commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.chapter("A commit rolls out")
	s.did("git commit -am 'backend 1.1.0' && git push")
	if _, err := s.repo.Commit(ctx, "main", "backend 1.1.0", map[string]string{"apps/production/kustomization.yaml": overlay("1.1.0")}); err != nil {
		return err
	}
	began, err := s.request(ctx)
	if err != nil {
		return err
	}
	if _, err := s.cluster.Wait(ctx, harness.Deployments, "shop", "backend", func(obj *unstructured.Unstructured) bool {
		return image(obj) == "ghcr.io/example/backend:1.1.0"
	}); err != nil {
		return err
	}
	s.took("the Deployment has the new image", time.Since(began))
	if err := s.settled(ctx, "storefront"); err != nil {
		return err
	}
	s.took("the new Pods are ready, and so is the storefront,", time.Since(began))
	return nil
}

// request asks for the source to be looked at now, as flux reconcile and
// webhooks do.
func (s *stage) request(ctx context.Context) (time.Time, error) {
	s.did("flux reconcile source git shop -n " + namespace)
	return s.ask(ctx, harness.Sources, "shop")
}

// settled waits until a Kustomization is ready at the head of the repository.
func (s *stage) settled(ctx context.Context, name string) error {
	head, err := s.repo.Head(ctx, "main")
	if err != nil {
		return err
	}
	applied := harness.Field("main@sha1:"+head, "status", "lastAppliedRevision")
	_, err = s.cluster.Wait(ctx, harness.Kustomized, namespace, name, func(obj *unstructured.Unstructured) bool {
		return harness.Ready(obj) && applied(obj)
	})
	return err
}

func image(obj *unstructured.Unstructured) string {
	if obj == nil {
		return ""
	}
	containers, _, _ := unstructured.NestedSlice(obj.Object, "spec", "template", "spec", "containers")
	if len(containers) == 0 {
		return ""
	}
	container, _ := containers[0].(map[string]any)
	text, _ := container["image"].(string)
	return text
}

// prune removes a file and watches its object go.
func (s *stage) prune(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.chapter("What is no longer in Git goes")
	s.did("git rm apps/base/greeting.yaml && git commit && git push")
	base := `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop
resources:
  - frontend.yaml
  - backend.yaml
`
	if _, err := s.repo.Commit(ctx, "main", "no greeting", map[string]string{
		"apps/base/greeting.yaml": "", "apps/base/kustomization.yaml": base,
	}); err != nil {
		return err
	}
	began, err := s.request(ctx)
	if err != nil {
		return err
	}
	if _, err := s.cluster.Wait(ctx, harness.ConfigMaps, "shop", "greeting", harness.Gone); err != nil {
		return err
	}
	s.took("the ConfigMap is gone", time.Since(began))
	if err := s.settled(ctx, "storefront"); err != nil {
		return err
	}
	return s.show(ctx, "get", "gitrepositories,kustomizations", "-n", namespace)
}

// figures tells what it took.
func (s *stage) figures(context.Context) error {
	usage, err := s.daemon.Usage()
	if err != nil {
		return err
	}
	s.chapter("What it took")
	rows := [][2]string{
		{"resident memory", mib(usage.Resident)},
		{"of it anonymous", mib(usage.Anonymous)},
		{"peak", mib(usage.Peak)},
		{"CPU time, all in all", usage.CPU.String()},
	}
	if s.owned {
		counts, err := s.cluster.AuditCounts("fluxd")
		if err != nil {
			return err
		}
		rows = append(rows, [2]string{"API requests", fmt.Sprintf("%d, of them %d writes", counts.Total(), counts.Writes())})
	} else {
		requests, err := s.daemon.Metric("rest_client_requests_total")
		if err != nil {
			return err
		}
		rows = append(rows, [2]string{"API requests", fmt.Sprintf("%.0f", requests)})
	}
	for _, row := range rows {
		s.say("%-24s %s", row[0], row[1])
	}
	return nil
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
