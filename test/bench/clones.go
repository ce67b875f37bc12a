package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

const (
	// cloned is how many large repositories are fetched at once.
	cloned = 8
	// ceiling is what the daemon may take, as GOMEMLIMIT: what it sets itself in a
	// container of 128 MiB.
	ceiling = "104MiB"
)

// clones measures the memory of fetching large repositories at once with the
// limit of the Deployment.
func clones(ctx context.Context, b *bench) error {
	files := make(map[string]string)
	for i := range 200 {
		files[fmt.Sprintf("app/%d.yaml", i)] = configMap(i, "value") + strings.Repeat("# "+noise(40)+"\n", 10)
		files[fmt.Sprintf("assets/%d.txt", i)] = noise(100_000)
	}
	urls := make([]string, cloned)
	for i := range cloned {
		var err error
		if urls[i], err = b.repository(ctx, fmt.Sprintf("large-%d", i), files); err != nil {
			return err
		}
		files[fmt.Sprintf("assets/%d.txt", i)] = noise(100_000)
	}
	if err := parallel(cloned, func(i int) error {
		_, err := b.cluster.Create(ctx, source(fmt.Sprintf("large-%d", i), urls[i]))
		return err
	}); err != nil {
		return err
	}
	for i := range cloned {
		if _, err := b.cluster.Wait(ctx, harness.Sources, namespace, fmt.Sprintf("large-%d", i), harness.Ready); err != nil {
			return err
		}
	}
	u, err := b.subject.Usage()
	if err != nil {
		return err
	}
	b.add(report.Peak, report.Bytes(u.Peak), report.Most(report.Bytes(128<<20)))
	b.add(report.Fetched, report.Bytes(b.fetched()), noGoal)
	return nil
}

// noise is text of n bytes that compresses to about a quarter.
func noise(n int) string {
	words := []string{"apiVersion", "kind", "metadata", "name", "labels", "spec", "replicas", "image", "value", "port"}
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%s%d ", words[rand.IntN(len(words))], rand.IntN(1000))
	}
	return b.String()[:n]
}
