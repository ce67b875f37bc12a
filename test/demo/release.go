package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

// cart is the chart that is released. One that is broken has an object that the API
// server does not accept.
func cart(version string, broken bool) upstream.Chart {
	files := map[string]string{
		"templates/cart.yaml": deployment("cart", "ghcr.io/example/cart:{{ .Chart.Version }}", 2, "") + "---\n" + service("cart", 8080),
		"templates/migrate.yaml": `apiVersion: batch/v1
kind: Job
metadata:
  name: cart-migrate
  annotations: {helm.sh/hook: "pre-install,pre-upgrade"}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: ghcr.io/example/cart}]
`,
	}
	if broken {
		files["templates/mistake.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NOT_A_NAME}\n"
	}
	return upstream.Chart{Name: "cart", Version: version, Files: files}
}

// release releases a chart, edits it, and has an upgrade fail.
func (s *stage) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.chapter("A Helm chart being released")
	if err := s.pushCart(ctx, "1.0.0", false); err != nil {
		return err
	}
	s.did("kubectl apply -f cart.yaml    # an OCIRepository and a HelmRelease that corrects drift")
	began := time.Now()
	if _, err := s.cluster.Create(ctx, source("OCIRepository", "cart",
		"url: oci://"+s.origins.registry.Host()+"/charts/cart", "insecure: true", `ref: {semver: "1.x"}`,
		"layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}")+helmRelease()); err != nil {
		return err
	}
	obj, err := s.cluster.Wait(ctx, api.HelmReleaseGVR, namespace, "cart", harness.Ready)
	if err != nil {
		return err
	}
	s.took("the chart is installed, its hook has run and its Pods are ready", time.Since(began))
	_, _, message := harness.Condition(obj, api.ConditionReady)
	s.quote(message)
	s.did("kubectl -n shop scale deployment cart --replicas=1")
	began = time.Now()
	if _, err := s.cluster.Patch(ctx, harness.Deployments, "shop", "cart", map[string]any{"spec": map[string]any{"replicas": 1}}); err != nil {
		return err
	}
	if _, err := s.cluster.Wait(ctx, harness.Deployments, "shop", "cart", replicas(2)); err != nil {
		return err
	}
	s.took("two replicas are asked for again", time.Since(began))
	return s.rollBack(ctx)
}

// rollBack pushes a version that cannot be installed.
func (s *stage) rollBack(ctx context.Context) error {
	if err := s.pushCart(ctx, "1.1.0", true); err != nil {
		return err
	}
	s.did("flux reconcile source oci cart -n " + namespace)
	began, err := s.ask(ctx, api.OCIRepositoryGVR, "cart")
	if err != nil {
		return err
	}
	obj, err := s.cluster.Wait(ctx, api.HelmReleaseGVR, namespace, "cart", harness.Failed(api.ReasonRollbackSucceeded))
	if err != nil {
		return err
	}
	s.took("the upgrade has failed and is rolled back", time.Since(began))
	_, _, message := harness.Condition(obj, api.ConditionReleased)
	s.quote(message)
	_, _, message = harness.Condition(obj, api.ConditionReady)
	s.quote(message)
	return s.show(ctx, "get", "secrets", "-n", namespace, "-l", "owner=helm", "-L", "status")
}

func (s *stage) pushCart(ctx context.Context, version string, broken bool) error {
	s.did("helm push cart-" + version + ".tgz oci://" + s.origins.registry.Host() + "/charts")
	artifact, tag, err := cart(version, broken).Artifact()
	if err != nil {
		return err
	}
	_, err = s.origins.registry.Push(ctx, "charts/cart", tag, artifact)
	return err
}

func helmRelease() string {
	return fmt.Sprintf(`---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: cart
  namespace: %s
spec:
  interval: 1h
  chartRef: {kind: OCIRepository, name: cart}
  targetNamespace: shop
  releaseName: cart
  driftDetection: {mode: enabled}
  upgrade: {remediation: {remediateLastFailure: true}}
`, namespace)
}
