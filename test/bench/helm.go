package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

const (
	// releases is how many HelmReleases there are of one chart.
	releases = 50
	// hooked is how many of them have a hook that takes as long as hookTime.
	hooked   = 10
	hookTime = time.Minute
	// inChart and inCluster are how many definitions the chart brings along, and how many
	// others the cluster has.
	inChart, inCluster = 100, 200
)

var jobs = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}

// helm measures 50 releases of one chart with a Deployment, a Service, a ServiceAccount
// and an Ingress, and then a reconcile by request of all of them.
func helm(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := b.chart(ctx, application()); err != nil {
		return err
	}
	m, err := b.measure()
	if err != nil {
		return err
	}
	ready := make(chan error, 1)
	go func() { ready <- b.allOf(ctx, api.HelmReleaseGVR, releases, harness.Ready) }()
	if err := parallel(releases, func(i int) error { return b.release(ctx, fmt.Sprintf("app-%d", i)) }); err != nil {
		return err
	}
	if err := <-ready; err != nil {
		return err
	}
	took := m.took()
	c, err := m.end(ctx)
	if err != nil {
		return err
	}
	b.compare("helm: 50 HelmReleases of one chart with 4 objects, all ready", "a third", took.Seconds(), "%s", took.Round(10*time.Millisecond))
	c.rows(b.table, "helm", "a third", "HelmRelease", releases, "")
	if err := b.rest(ctx, "helm"); err != nil {
		return err
	}
	return b.helmNoop(ctx)
}

// helmNoop measures a reconcile of all releases with nothing changed.
func (b *bench) helmNoop(ctx context.Context) error {
	m, err := b.measure()
	if err != nil {
		return err
	}
	request := time.Now().Format(time.RFC3339Nano)
	done := make(chan error, 1)
	go func() {
		done <- b.allOf(ctx, api.HelmReleaseGVR, releases, harness.Field(request, "status", "lastHandledReconcileAt"))
	}()
	if err := parallel(releases, func(i int) error {
		_, err := b.cluster.Patch(ctx, api.HelmReleaseGVR, namespace, fmt.Sprintf("app-%d", i), map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: request}},
		})
		return err
	}); err != nil {
		return err
	}
	if err := <-done; err != nil {
		return err
	}
	took := m.took()
	c, err := m.end(ctx)
	if err != nil {
		return err
	}
	b.compare("helm: a forced reconcile of all 50 with nothing changed", "", took.Seconds(), "%s", took.Round(10*time.Millisecond))
	c.rows(b.table, "helm, nothing changed", "", "HelmRelease", releases, "2")
	return nil
}

// manyDefinitions measures what a chart with 100 definitions adds to the memory, in a
// cluster that has 200 others.
func manyDefinitions(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := b.chart(ctx, application()); err != nil {
		return err
	}
	if err := b.release(ctx, "app"); err != nil {
		return err
	}
	if _, err := b.cluster.Wait(ctx, api.HelmReleaseGVR, namespace, "app", harness.Ready); err != nil {
		return err
	}
	before, err := b.subject.Usage()
	if err != nil {
		return err
	}
	if err := parallel(inCluster, func(i int) error {
		_, err := b.cluster.Create(ctx, definition(fmt.Sprintf("others-%d", i), "cluster.example.com"))
		return err
	}); err != nil {
		return err
	}
	large := application()
	large.Name = "large"
	for i := range inChart {
		large.Files[fmt.Sprintf("crds/%d.yaml", i)] = definition(fmt.Sprintf("things-%d", i), "chart.example.com")
	}
	if err := b.chart(ctx, large); err != nil {
		return err
	}
	m, err := b.measure()
	if err != nil {
		return err
	}
	if err := b.releaseOf(ctx, "large", "large"); err != nil {
		return err
	}
	if _, err := b.cluster.Wait(ctx, api.HelmReleaseGVR, namespace, "large", harness.Ready); err != nil {
		return err
	}
	took := m.took()
	c, err := m.end(ctx)
	if err != nil {
		return err
	}
	after, err := b.subject.Usage()
	if err != nil {
		return err
	}
	b.compare("definitions: a release of a chart with 100, in a cluster with 200", "", took.Seconds(), "%s", took.Round(10*time.Millisecond))
	b.compare("definitions: CPU", "", c.subject.Seconds(), "%s", c.subject)
	b.compare("definitions: API requests", "", float64(c.counts.Total()), "%d, of them %d writes", c.counts.Total(), c.counts.Writes())
	b.compare("definitions: what that adds to the peak of memory", "30 MiB", float64(after.Peak-before.Peak), "%s", mib(after.Peak-before.Peak))
	return nil
}

// hooks measures how long a release takes while ten others wait for hooks that take a
// minute each.
func hooks(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	slow := application()
	slow.Name = "slow"
	slow.Files["templates/hook.yaml"] = fmt.Sprintf(`apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-slow
  annotations: {helm.sh/hook: pre-install}
spec:
  template:
    metadata: {annotations: {fluxd.test/run-for: %s}}
    spec:
      restartPolicy: Never
      containers: [{name: job, image: example.com/job}]
`, hookTime)
	for _, c := range []upstream.Chart{slow, application()} {
		if err := b.chart(ctx, c); err != nil {
			return err
		}
	}
	if err := parallel(hooked, func(i int) error { return b.releaseOf(ctx, "slow", fmt.Sprintf("slow-%d", i)) }); err != nil {
		return err
	}
	// Who has a worker for each hook has the first of them under way then.
	if err := b.allOf(ctx, jobs, 1, func(o *unstructured.Unstructured) bool { return o != nil }); err != nil {
		return err
	}
	began := time.Now()
	if err := b.release(ctx, "app"); err != nil {
		return err
	}
	if _, err := b.cluster.Wait(ctx, api.HelmReleaseGVR, namespace, "app", harness.Ready); err != nil {
		return err
	}
	took := time.Since(began)
	b.compare("hooks: a release while ten others wait a minute for a hook each", "a tenth", took.Seconds(), "%s", took.Round(10*time.Millisecond))
	return nil
}

// chart pushes a chart to a registry and has an OCIRepository of its name follow it.
func (b *bench) chart(ctx context.Context, c upstream.Chart) error {
	if b.charts == nil {
		var err error
		if b.charts, err = b.registry(ctx); err != nil {
			return err
		}
	}
	artifact, tag, err := c.Artifact()
	if err != nil {
		return err
	}
	if _, err := b.charts.Push(ctx, "charts/"+c.Name, tag, artifact); err != nil {
		return err
	}
	if _, err := b.cluster.Create(ctx, object("OCIRepository", c.Name, "1h", "url: oci://"+b.charts.Host()+"/charts/"+c.Name, "insecure: true",
		"ref: {tag: "+tag+"}", "layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}")); err != nil {
		return err
	}
	_, err = b.cluster.Wait(ctx, api.OCIRepositoryGVR, namespace, c.Name, harness.Ready)
	return err
}

// release creates a HelmRelease of the application.
func (b *bench) release(ctx context.Context, name string) error {
	return b.releaseOf(ctx, "application", name)
}

func (b *bench) releaseOf(ctx context.Context, chart, name string) error {
	_, err := b.cluster.Create(ctx, fmt.Sprintf(`apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: %s, namespace: %s}
spec:
  interval: 1h
  chartRef: {kind: OCIRepository, name: %s}
`, name, namespace, chart))
	return err
}

// application is a chart with what most have.
func application() upstream.Chart {
	labels := "{app.kubernetes.io/name: {{ .Chart.Name }}, app.kubernetes.io/instance: {{ .Release.Name }}}"
	return upstream.Chart{Name: "application", Version: "1.0.0", Values: "replicas: 1\n", Files: map[string]string{
		"templates/deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ .Release.Name }}}\nspec:\n  replicas: {{ .Values.replicas }}\n  selector: {matchLabels: " + labels +
			"}\n  template:\n    metadata: {labels: " + labels + "}\n    spec:\n      serviceAccountName: {{ .Release.Name }}\n      containers: [{name: app, image: example.com/app}]\n",
		"templates/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: {{ .Release.Name }}}\nspec: {selector: " + labels + ", ports: [{port: 80}]}\n",
		"templates/account.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: {{ .Release.Name }}}\n",
		"templates/ingress.yaml": "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: {{ .Release.Name }}}\nspec:\n  rules: [{host: {{ .Release.Name }}.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: {{ .Release.Name }}, port: {number: 80}}}}]}}]\n",
	}}
}

// definition is a definition with a schema of the size that is usual.
func definition(plural, group string) string {
	var fields strings.Builder
	for i := range 100 {
		fmt.Fprintf(&fields, "                field%d: {type: string, description: %q}\n", i, strings.Repeat("what this field is for ", 4))
	}
	kind := "Thing" + strings.NewReplacer("-", "", "others", "O", "things", "T").Replace(plural)
	return fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.%[2]s}
spec:
  group: %[2]s
  scope: Namespaced
  names: {plural: %[1]s, kind: %[3]s}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
%[4]s`, plural, group, kind, fields.String())
}
