package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

// upgrade measures a commit to each of the repositories of install, which changes one
// of four objects, from when the sources are asked to look.
func upgrade(ctx context.Context, b *bench) error {
	revisions := make([]string, pairs)
	if err := parallel(pairs, func(i int) error {
		name := fmt.Sprintf("app-%d.git", i)
		repo := &gittest.Repo{Dir: b.dir + "/" + name, Name: name}
		text := strings.Replace(fourConfigs(i)["app/config-0.yaml"], "key: value", "key: upgraded", 1)
		commit, err := repo.Commit(ctx, "main", "upgrade", map[string]string{"app/config-0.yaml": text})
		revisions[i] = "main@sha1:" + commit
		return err
	}); err != nil {
		return err
	}
	expected := make(map[string]string)
	for i, revision := range revisions {
		expected[fmt.Sprintf("app-%d", i)] = revision
	}
	c, err := b.timed(ctx, func() error {
		return b.afterwards(ctx, func() error {
			return b.ask(ctx, harness.Sources, pairs, time.Now().Format(time.RFC3339Nano))
		}, harness.Kustomized, pairs, func(obj *unstructured.Unstructured) bool {
			return harness.Ready(obj) && harness.Field(expected[obj.GetName()], "status", "lastAppliedRevision")(obj)
		})
	}, report.Part(5))
	if err != nil {
		return err
	}
	c.add(b, 1, usual)
	return nil
}
