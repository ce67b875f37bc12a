package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

const (
	// stored is how many objects the bucket has.
	stored = 5000
	// bucketName is that of every bucket here.
	bucketName = "apps"
)

// bucket measures a bucket of many small objects: fetching it, and finding that
// nothing is new.
func bucket(ctx context.Context, b *bench) error {
	s, err := b.s3(ctx)
	if err != nil {
		return err
	}
	if err := parallel(stored, func(i int) error {
		return s.Put(ctx, bucketName, fmt.Sprintf("app/%04d.yaml", i), []byte(configMap(i, "value")))
	}); err != nil {
		return err
	}
	bare, err := fetchBare(ctx, s)
	if err != nil {
		return err
	}
	host, err := b.viaHost(s.Host())
	if err != nil {
		return err
	}
	before, err := b.settled(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := b.cluster.Create(ctx, s3Secret+object("Bucket", "apps", "1h", "endpoint: "+host, "insecure: true",
		"bucketName: "+bucketName, "secretRef: {name: keys}")); err != nil {
		return err
	}
	if _, err := b.cluster.Wait(ctx, api.BucketGVR, namespace, "apps", harness.Ready); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := b.subject.Usage()
	if err != nil {
		return err
	}
	fetched := b.fetched()
	s.Forget()
	request := time.Now().Format(time.RFC3339Nano)
	if _, err := b.cluster.Patch(ctx, api.BucketGVR, namespace, "apps", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: request}},
	}); err != nil {
		return err
	}
	if _, err := b.cluster.Wait(ctx, api.BucketGVR, namespace, "apps", harness.Field(request, "status", "lastHandledReconcileAt")); err != nil {
		return err
	}
	downloads := s.Count(func(q upstream.Request) bool { return q.Method == http.MethodGet && strings.HasSuffix(q.Path, ".yaml") })
	b.add(report.Time, report.Seconds(took), noGoal, "a bare client with 64 requests at once: "+report.Seconds(bare).String())
	b.add("peak memory above idle", report.Bytes(after.Peak-before.Resident), noGoal)
	b.add(report.Fetched, report.Bytes(fetched), noGoal)
	b.add("downloads when nothing is new", report.Count(float64(downloads)), report.Most(report.Count(0)), fmt.Sprintf("requests: %d", len(s.Requests())))
	return nil
}

// s3Secret holds the credentials of the S3 server.
const s3Secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: " + namespace + "}\nstringData: {accesskey: access, secretkey: secret}\n"

// s3 starts an S3 server with a bucket.
func (b *bench) s3(ctx context.Context) (*upstream.S3, error) {
	s, err := upstream.StartS3(ctx, upstream.S3Options{AccessKey: "access", SecretKey: "secret"})
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, s)
	return s, s.MakeBucket(ctx, bucketName)
}

// fetchBare fetches all objects through the door as fast as a client can that does
// nothing with them.
func fetchBare(ctx context.Context, s *upstream.S3) (time.Duration, error) {
	began := time.Now()
	client := s.Client()
	keys, err := client.List(ctx, bucketName)
	if err != nil {
		return 0, err
	}
	err = atOnce(64, len(keys), func(i int) error {
		_, err := client.Object(ctx, bucketName, keys[i])
		return err
	})
	return time.Since(began), err
}
