// Command bench measures fluxd on a real control plane: memory, CPU, API
// requests and how long things take, beside a yardstick from the same run, since
// machines differ and are noisy.
//
//	go run ./test/bench [flags] [scenario ...]
//
// prints a table. With -stock, a folder with the programs of the Flux
// controllers, these are measured in the same run where that is possible.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/fluxd/fluxd/test/harness"
)

// scenarios are what can be measured, in the order in which it is.
var scenarios = []struct {
	name  string
	stock bool // makes sense of the Flux controllers
	run   func(context.Context, *bench) error
	flags []string // of fluxd
}{
	{name: "idle", stock: true, run: idle},
	{name: "yardstick", run: yardstick},
	{name: "install", stock: true, run: install},
	{name: "applications", stock: true, run: applications},
	{name: "drift", run: drift},
	{name: "chain", stock: true, run: chain},
	{name: "monorepo", run: monorepo},
	{name: "clones", run: clones},
	{name: "artifacts", run: artifacts},
	{name: "index", run: index, flags: []string{"--helm-index-max-size=67108864"}},
	{name: "bucket", run: bucket},
	{name: "polling", run: polling},
}

func main() {
	write := flag.Bool("write", false, "replace docs/benchmarks.md with the result")
	verbose := flag.Bool("requests", false, "print the API requests of each measurement")
	controllers := flag.String("stock", os.Getenv("STOCK_BIN"), "measure the Flux controllers in this folder, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &table{verbose: *verbose}, *controllers, flag.Args(), *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, t *table, controllers string, only []string, write bool) error {
	for _, s := range scenarios {
		if len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", s.name)
		if err := measure(ctx, t, "", s.flags, s.run); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if !s.stock || controllers == "" {
			continue
		}
		if err := measure(ctx, t, controllers, nil, s.run); err != nil {
			return fmt.Errorf("%s of the Flux controllers: %w", s.name, err)
		}
	}
	fmt.Print(t.markdown())
	if !write {
		return nil
	}
	root, err := harness.Root()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "docs", "benchmarks.md"), []byte(page+t.markdown()), 0o644)
}

// measure gives a scenario a control plane of its own, and fluxd with further
// flags or, with a folder of theirs, the Flux controllers.
func measure(ctx context.Context, t *table, controllers string, flags []string, scenario func(context.Context, *bench) error) error {
	t.column = ours
	if controllers != "" {
		t.column = stock
	}
	b, err := newBench(ctx, t, controllers, flags)
	if err != nil {
		return err
	}
	defer b.close()
	return scenario(ctx, b)
}

const page = `# Benchmarks

Written by ` + "`go run ./test/bench -write`" + `, on a control plane, simulated nodes and a Git
server on the same machine as fluxd. Absolute times depend on that machine; the
yardstick is there to compare with.

`
