package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/fleet"
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

// helmGoals are those of what is done to releases.
var helmGoals = goals{cpu: report.Part(3), memory: usual.memory}

// helm measures 50 releases of one chart with a Deployment, a Service, a ServiceAccount
// and an Ingress.
func helm(ctx context.Context, b *bench) error {
	if err := b.chart(ctx, application()); err != nil {
		return err
	}
	c, err := b.timed(ctx, func() error {
		return b.afterwards(ctx, func() error {
			return parallel(releases, func(i int) error { return b.release(ctx, fmt.Sprintf("app-%d", i)) })
		}, api.HelmReleaseGVR, releases, harness.Ready)
	}, report.Part(3))
	if err != nil {
		return err
	}
	c.add(b, 1, helmGoals)
	b.add("API requests for each", report.Count(float64(c.Total())/releases), noGoal)
	return b.rest(ctx)
}

// helmNoop measures a reconcile of all releases with nothing changed.
func helmNoop(ctx context.Context, b *bench) error {
	c, err := b.timed(ctx, func() error { return b.force(ctx, api.HelmReleaseGVR, releases) }, noGoal)
	if err != nil {
		return err
	}
	c.add(b, 1, helmGoals)
	b.add("API requests for each", report.Count(float64(c.Total())/releases), report.Most(report.Count(2)))
	return nil
}

// helmUpgrade measures how all releases get to a new version of their chart, from when
// their source is told of it.
func helmUpgrade(ctx context.Context, b *bench) error {
	next := application()
	next.Version, next.Values = "1.1.0", "replicas: 2\n"
	artifact, tag, err := next.Artifact()
	if err != nil {
		return err
	}
	if _, err := b.charts.Push(ctx, "charts/"+next.Name, tag, artifact); err != nil {
		return err
	}
	c, err := b.timed(ctx, func() error {
		return b.afterwards(ctx, func() error {
			_, err := b.cluster.Patch(ctx, api.OCIRepositoryGVR, namespace, next.Name, map[string]any{
				"spec": map[string]any{"ref": map[string]any{"tag": tag}},
			})
			return err
		}, api.HelmReleaseGVR, releases, func(obj *unstructured.Unstructured) bool {
			revision, _, _ := unstructured.NestedString(obj.Object, "status", "lastAttemptedRevision")
			return strings.HasPrefix(revision, next.Version) && harness.Ready(obj)
		})
	}, report.Part(3))
	if err != nil {
		return err
	}
	c.add(b, 1, helmGoals)
	b.add("API requests for each", report.Count(float64(c.Total())/releases), noGoal)
	return nil
}

// manyDefinitions measures what a chart with 100 definitions adds to the memory, in a
// cluster that has 200 others.
func manyDefinitions(ctx context.Context, b *bench) error {
	if err := b.chart(ctx, application()); err != nil {
		return err
	}
	if err := b.release(ctx, "app"); err != nil {
		return err
	}
	if _, err := b.cluster.Wait(ctx, api.HelmReleaseGVR, namespace, "app", harness.Ready); err != nil {
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
	before, err := b.subject.Usage()
	if err != nil {
		return err
	}
	c, err := b.timed(ctx, func() error {
		if err := b.releaseOf(ctx, "large", "large"); err != nil {
			return err
		}
		_, err := b.cluster.Wait(ctx, api.HelmReleaseGVR, namespace, "large", harness.Ready)
		return err
	}, noGoal)
	if err != nil {
		return err
	}
	c.add(b, 1, helmGoals)
	b.add("added to the peak", report.Bytes(max(c.after.Peak-before.Peak, 0)), report.Most(report.Bytes(30<<20)))
	return nil
}

// hooks measures how long a release takes while ten others wait for hooks that take a
// minute each.
func hooks(ctx context.Context, b *bench) error {
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
	if err := b.allOf(ctx, harness.Jobs, 1, func(o *unstructured.Unstructured) bool { return o != nil }); err != nil {
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
	b.add(report.Time, report.Seconds(took), report.Part(10))
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
	host, err := b.viaHost(b.charts.Host())
	if err != nil {
		return err
	}
	if _, err := b.cluster.Create(ctx, object("OCIRepository", c.Name, "1h", "url: oci://"+host+"/charts/"+c.Name, "insecure: true",
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
	kind := "Thing" + strings.NewReplacer("-", "", "others", "O", "things", "T").Replace(plural)
	return fleet.Definition(plural, kind, group)
}
