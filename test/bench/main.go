// Command bench measures fluxd on a real control plane: memory, CPU, API
// requests and how long things take, beside a yardstick from the same run, since
// machines differ and are noisy.
//
//	go run ./test/bench [flags] [scenario ...]
//
// prints a table. With the environment variable PEER_BIN, a folder with the programs
// of the Flux controllers, these go through the same scenarios in the same run, and
// the table says what part of it fluxd takes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/fluxd/fluxd/test/harness"
)

// scenario is something to measure, on a control plane of its own.
type scenario struct {
	name  string
	peers bool // makes sense of the Flux controllers
	alone bool // is about the API server, without anybody who reconciles
	run   func(context.Context, *bench) error
	flags []string // of fluxd
}

// scenarios are what can be measured, in the order in which it is.
var scenarios = []scenario{
	{name: "idle", peers: true, run: idle},
	{name: "yardstick", alone: true, run: yardstick},
	{name: "bare", alone: true, run: bare},
	{name: "install", peers: true, run: install},
	{name: "noop", peers: true, run: noop},
	{name: "applications", peers: true, run: applications},
	{name: "drift", peers: true, run: drift},
	{name: "chain", peers: true, run: chain},
	{name: "monorepo", peers: true, run: monorepo},
	{name: "helm", peers: true, run: helm},
	{name: "definitions", peers: true, run: manyDefinitions},
	{name: "hooks", peers: true, run: hooks},
	{name: "resting", run: restful},
	{name: "crowd", run: crowd},
	{name: "builds", alone: true, run: builds},
	{name: "clones", run: clones},
	{name: "artifacts", run: artifacts},
	{name: "index", run: index, flags: []string{"--helm-index-max-size=67108864"}},
	{name: "bucket", run: bucket},
	{name: "polling", run: polling},
}

func main() {
	write := flag.Bool("write", false, "replace docs/benchmarks.md with the result")
	verbose := flag.Bool("requests", false, "print the API requests of each measurement")
	peers := flag.String("peers", os.Getenv("PEER_BIN"), "measure the Flux controllers in this folder, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &table{verbose: *verbose}, *peers, flag.Args(), *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, t *table, peers string, only []string, write bool) error {
	for _, name := range only {
		if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == name }) {
			return fmt.Errorf("there is no scenario %q", name)
		}
	}
	var failed []error
	for _, s := range scenarios {
		if len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", s.name)
		if err := measure(ctx, t, "", s); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		if !s.peers || peers == "" {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s of the Flux controllers\n", s.name)
		if err := measure(ctx, t, peers, s); err != nil {
			failed = append(failed, fmt.Errorf("%s of the Flux controllers: %w", s.name, err))
		}
	}
	fmt.Print(t.markdown())
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if !write {
		return nil
	}
	root, err := harness.Root()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "docs", "benchmarks.md"), []byte(page+t.markdown()), 0o644)
}

// measure runs a scenario with fluxd or, with a folder of theirs, the Flux
// controllers.
func measure(ctx context.Context, t *table, peers string, s scenario) error {
	t.column = ours
	if peers != "" {
		t.column = stock
	}
	b, err := newBench(ctx, t, peers, s)
	if err != nil {
		return err
	}
	defer b.close()
	return s.run(ctx, b)
}

const page = `# Benchmarks

Written by ` + "`go run ./test/bench -write`" + `, on a control plane, simulated nodes and a Git
server on the same machine as fluxd. Absolute times depend on that machine; the
yardstick is there to compare with, and so are the Flux controllers, which are measured
in the same run if PEER_BIN names a folder with their programs. The ratio is what fluxd
takes of what the four of them take together.

`
