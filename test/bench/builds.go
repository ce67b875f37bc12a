package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
)

// published is the kustomize command.
var published = program.Module{
	Dir: "test/kustomize", Name: "fluxd-test-kustomize", LinkFlags: "-s -w",
	Cache: "kustomize", Title: "kustomize", Takes: "a minute or two",
}

// builtObjects is how many objects the compared build has, rounds how often each of
// the two is run.
const (
	builtObjects = 1000
	rounds       = 5
)

// builds compares a build of 1,000 objects with that of the kustomize command, each in
// a process of its own.
func builds(ctx context.Context, b *bench) error {
	dir, err := largeFolder(b.dir)
	if err != nil {
		return err
	}
	theirs, err := published.Build(ctx, os.Stderr)
	if err != nil {
		return err
	}
	own, err := builder(ctx, b.dir)
	if err != nil {
		return err
	}
	var fluxd, kustomize []spent
	for range rounds { // in turn, so that both have the same machine
		ours, text, err := spawn(ctx, own, dir)
		if err != nil {
			return err
		}
		if text != fmt.Sprint(builtObjects) {
			return fmt.Errorf("%s objects were built", text)
		}
		other, _, err := spawn(ctx, theirs, "build", "--load-restrictor=LoadRestrictionsNone", dir)
		if err != nil {
			return err
		}
		fluxd, kustomize = append(fluxd, ours), append(kustomize, other)
	}
	us, they := median(fluxd), median(kustomize)
	// What kustomize takes is the goal.
	b.add(report.Time, report.Seconds(us.wall), report.Most(report.Seconds(they.wall)))
	b.add(report.CPU, report.Seconds(us.cpu), report.Most(report.Seconds(they.cpu)))
	b.add(report.Peak, report.Bytes(us.peak), report.Most(report.Bytes(they.peak)))
	return nil
}

// largeFolder writes a kustomization of many small applications.
func largeFolder(in string) (string, error) {
	dir := filepath.Join(in, "large")
	var names []string
	for i := range builtObjects / 4 {
		for name, text := range fourObjects(i) {
			name = fmt.Sprintf("app-%d-%s", i, strings.TrimPrefix(name, "app/"))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return "", err
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return "", err
			}
			names = append(names, "  - "+name)
		}
	}
	slices.Sort(names)
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: team\n" +
		"labels: [{pairs: {team: a}, includeSelectors: false}]\nimages: [{name: docker.io/library/nginx, newTag: \"1.30\"}]\n" +
		"patches:\n  - target: {kind: Deployment}\n    patch: |\n      - {op: replace, path: /spec/replicas, value: 2}\nresources:\n" + strings.Join(names, "\n") + "\n"
	return dir, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o644)
}

// builder compiles the program that builds as the daemon does.
func builder(ctx context.Context, dir string) (string, error) {
	root, err := harness.Root()
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "builder")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./test/bench/builder")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile the builder: %w: %s", err, bytes.TrimSpace(text))
	}
	return out, nil
}

// spent is what a process took.
type spent struct {
	wall, cpu time.Duration
	peak      int64
}

// spawn runs a process to its end and returns what it took and printed.
func spawn(ctx context.Context, name string, args ...string) (spent, string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return spent{}, "", fmt.Errorf("%s: %w: %s", filepath.Base(name), err, bytes.TrimSpace(problem.Bytes()))
	}
	c := spent{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.peak = usage.Maxrss << 10 // in KiB, on Linux
	}
	return c, strings.TrimSpace(out.String()), nil
}

// median returns that of each figure.
func median(costs []spent) spent {
	mid := func(of func(spent) int64) int64 {
		var all []int64
		for _, c := range costs {
			all = append(all, of(c))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return spent{
		wall: time.Duration(mid(func(c spent) int64 { return int64(c.wall) })),
		cpu:  time.Duration(mid(func(c spent) int64 { return int64(c.cpu) })),
		peak: mid(func(c spent) int64 { return c.peak }),
	}
}
