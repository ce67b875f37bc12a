package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

// origins are servers that sources other than Git repositories read from.
type origins struct {
	registry *upstream.Registry
	bucket   *upstream.S3
	charts   *upstream.HelmIndex
}

// bucketName and the credentials of the bucket.
const (
	bucketName = "shop"
	accessKey  = "demo"
	secretKey  = "demo-secret"
)

// serveOrigins starts the servers.
func (s *stage) serveOrigins(ctx context.Context) (err error) {
	if _, err := upstream.Build(ctx, s); err != nil {
		return err
	}
	if s.origins.registry, err = upstream.StartRegistry(ctx, upstream.RegistryOptions{}); err != nil {
		return err
	}
	if s.origins.bucket, err = upstream.StartS3(ctx, upstream.S3Options{AccessKey: accessKey, SecretKey: secretKey}); err != nil {
		return err
	}
	if s.origins.charts, err = upstream.StartHelmIndex(upstream.HelmIndexOptions{}); err != nil {
		return err
	}
	s.say("an OCI registry at %s, an S3 server at %s, and Helm charts at %s", s.origins.registry.URL, s.origins.bucket.URL, s.origins.charts.URL)
	return nil
}

func (o *origins) close() error {
	var failures []error
	if o.registry != nil {
		failures = append(failures, o.registry.Close())
	}
	if o.bucket != nil {
		failures = append(failures, o.bucket.Close())
	}
	if o.charts != nil {
		failures = append(failures, o.charts.Close())
	}
	return errors.Join(failures...)
}

// artifact pushes manifests to the registry and applies them from there, and then
// pushes another version.
func (s *stage) artifact(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.chapter("An OCI registry will do as well")
	if err := s.push(ctx, "1.0.0"); err != nil {
		return err
	}
	s.did("kubectl apply -f banner.yaml    # an OCIRepository of 1.x, and a Kustomization")
	began := time.Now()
	if _, err := s.cluster.Create(ctx, source("OCIRepository", "banner",
		"url: oci://"+s.origins.registry.Host()+"/shop/banner", "insecure: true", `ref: {semver: "1.x"}`)+applied("banner", "OCIRepository")); err != nil {
		return err
	}
	if _, err := s.cluster.Wait(ctx, harness.Kustomized, namespace, "banner", harness.Ready); err != nil {
		return err
	}
	s.took("the banner of 1.0.0 is up", time.Since(began))
	if err := s.push(ctx, "1.1.0"); err != nil {
		return err
	}
	s.did("flux reconcile source oci banner -n " + namespace)
	began, err := s.ask(ctx, api.OCIRepositoryGVR, "banner")
	if err != nil {
		return err
	}
	if _, err := s.cluster.Wait(ctx, harness.ConfigMaps, "shop", "banner", harness.Field("1.1.0", "data", "version")); err != nil {
		return err
	}
	s.took("that of 1.1.0 is up", time.Since(began))
	return nil
}

func (s *stage) push(ctx context.Context, version string) error {
	s.did("flux push artifact oci://" + s.origins.registry.Host() + "/shop/banner:" + version)
	content, err := upstream.FluxArtifact(map[string]string{"banner.yaml": versioned("banner", version)}, nil)
	if err != nil {
		return err
	}
	_, err = s.origins.registry.Push(ctx, "shop/banner", version, content)
	return err
}

// objects puts manifests into the bucket, applies them from there, and takes one
// of them away.
func (s *stage) objects(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.chapter("And so will a bucket")
	s.did("aws s3 cp --recursive prices s3://" + bucketName)
	if err := s.origins.bucket.MakeBucket(ctx, bucketName); err != nil {
		return err
	}
	for _, name := range []string{"prices", "discounts"} {
		if err := s.origins.bucket.Put(ctx, bucketName, name+".yaml", []byte(versioned(name, "1.0.0"))); err != nil {
			return err
		}
	}
	s.did("kubectl apply -f prices.yaml    # a Secret, a Bucket and a Kustomization")
	began := time.Now()
	if _, err := s.cluster.Create(ctx, keys()+source("Bucket", "prices", "endpoint: "+s.origins.bucket.Host(), "insecure: true",
		"bucketName: "+bucketName, "secretRef: {name: "+keysName+"}")+applied("prices", "Bucket")); err != nil {
		return err
	}
	if _, err := s.cluster.Wait(ctx, harness.Kustomized, namespace, "prices", harness.Ready); err != nil {
		return err
	}
	s.took("prices and discounts are there", time.Since(began))
	s.did("aws s3 rm s3://" + bucketName + "/discounts.yaml && flux reconcile source bucket prices -n " + namespace)
	if err := s.origins.bucket.Remove(ctx, bucketName, "discounts.yaml"); err != nil {
		return err
	}
	began, err := s.ask(ctx, api.BucketGVR, "prices")
	if err != nil {
		return err
	}
	if _, err := s.cluster.Wait(ctx, harness.ConfigMaps, "shop", "discounts", harness.Gone); err != nil {
		return err
	}
	s.took("the discounts are gone", time.Since(began))
	return nil
}

// chart makes a chart out of an index as large as public ones.
func (s *stage) chart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.chapter("A chart out of a large index")
	const size = 20 << 20
	if err := s.origins.charts.PublishAmong(size, upstream.Chart{Name: "till", Version: "1.2.3"}, upstream.Chart{Name: "till", Version: "1.2.2"}); err != nil {
		return err
	}
	before, err := s.daemon.Usage()
	if err != nil {
		return err
	}
	s.did("kubectl apply -f till.yaml    # a HelmRepository with an index of 20 MiB, and a HelmChart")
	began := time.Now()
	if _, err := s.cluster.Create(ctx, source("HelmRepository", "charts", "url: "+s.origins.charts.URL)+
		source("HelmChart", "till", "chart: till", `version: "1.x"`, "sourceRef: {kind: HelmRepository, name: charts}")); err != nil {
		return err
	}
	obj, err := s.cluster.Wait(ctx, api.HelmChartGVR, namespace, "till", harness.Ready)
	if err != nil {
		return err
	}
	s.took("the chart is ready", time.Since(began))
	_, _, message := harness.Condition(obj, api.ConditionReady)
	s.quote(message)
	after, err := s.daemon.Usage()
	if err != nil {
		return err
	}
	s.say("the most memory that fluxd ever had is %s, before this it was %s", mib(after.Peak), mib(before.Peak))
	return s.show(ctx, "get", "ocirepositories,buckets,helmrepositories,helmcharts", "-n", namespace)
}

// ask asks for an object to be looked at now.
func (s *stage) ask(ctx context.Context, gvr schema.GroupVersionResource, name string) (time.Time, error) {
	began := time.Now()
	patch := map[string]any{"metadata": map[string]any{"annotations": map[string]any{
		api.AnnotationReconcileRequest: began.Format(time.RFC3339Nano),
	}}}
	_, err := s.cluster.Patch(ctx, gvr, namespace, name, patch)
	return began, err
}

// versioned is a ConfigMap with a version.
func versioned(name, version string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  namespace: shop\ndata:\n  version: %s\n", name, version)
}
