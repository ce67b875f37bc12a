// Command bench measures fluxd on a real control plane: memory, CPU, API
// requests, bytes from the network and how long things take, beside a yardstick from
// the same run, since machines differ and are noisy.
//
//	go run ./test/bench [flags] [scenario ...]
//
// prints a table, and with -write puts it on docs/benchmarks.md with a chart for each
// section, beside what earlier runs have measured. With the environment variable
// PEER_BIN, a folder with the programs of the Flux controllers, these go through the
// same scenarios in the same run, and the table says what part of it fluxd takes.
//
// Without arguments it runs what compares the two. "all" stands for everything, the
// name of a scenario for all of its steps.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

func main() {
	o := options{}
	flag.BoolVar(&o.write, "write", false, "put the results on docs/benchmarks.md")
	flag.BoolVar(&o.verbose, "requests", false, "print the API requests of each measurement")
	flag.StringVar(&o.peers, "peers", os.Getenv("PEER_BIN"), "measure the Flux controllers in this folder, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	write, verbose bool
	peers          string // a folder, or empty
}

// run measures what is chosen, one scenario after the other. What fails is told of at
// once and at the end, and keeps nothing else from being measured and written.
func run(ctx context.Context, o options, names []string) error {
	chosen, err := choose(scenarios, names)
	if err != nil {
		return err
	}
	root, err := harness.Root()
	if err != nil {
		return err
	}
	on, err := machine(ctx, root, o.peers)
	if err != nil {
		return err
	}
	var all report.Results
	var failed []error
	for _, s := range chosen {
		sections, err := s.measure(ctx, o, on)
		if err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break // what was interrupted is no result
		}
		all.Sections = append(all.Sections, sections...)
		if o.write {
			failed = append(failed, write(filepath.Join(root, "docs"), sections))
		}
	}
	fmt.Print(all.Table())
	return errors.Join(failed...)
}

// write puts sections in their places on the page. That one is of less worth than what
// is there is told, and is no error.
func write(docs string, sections []*report.Section) error {
	results, err := report.Load(docs)
	if err != nil {
		return err
	}
	if err := results.Merge(order(scenarios), sections...); err != nil {
		fmt.Fprintf(os.Stderr, "not written: %s\n", err)
	}
	return results.Save(docs)
}

// measure runs a scenario with fluxd and then, if it makes sense and they are given,
// with the Flux controllers. It returns a section for each step that fluxd has ended.
func (s scenario) measure(ctx context.Context, o options, on report.Machine) ([]*report.Section, error) {
	sections := make([]*report.Section, len(s.steps))
	for i, step := range s.steps {
		sections[i] = &report.Section{Name: step.name, Title: step.title, About: step.about, On: on}
	}
	done, err := s.with(ctx, o, report.Fluxd, sections)
	failed := []error{err}
	if s.peers && o.peers != "" && done > 0 && ctx.Err() == nil {
		_, err := s.with(ctx, o, report.Flux, sections[:done])
		failed = append(failed, err)
	}
	var wanted []*report.Section
	for i, section := range sections[:done] {
		if !s.steps[i].unwanted {
			wanted = append(wanted, section)
		}
	}
	return wanted, errors.Join(failed...)
}

// with runs the steps of a scenario with one subject, and returns how many it has
// ended. Of one that it has not, the section says why.
func (s scenario) with(ctx context.Context, o options, who report.Subject, sections []*report.Section) (done int, err error) {
	began, name := time.Now(), s.name
	stock := ""
	if who == report.Flux {
		stock, name = o.peers, name+" of the Flux controllers"
	}
	defer func() {
		said := fmt.Sprintf("%s took %s", name, time.Since(began).Round(time.Second))
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			said = err.Error()
			for _, section := range sections[done:] {
				section.Unfinished[who] = reason(err)
			}
		}
		fmt.Fprintln(os.Stderr, said)
	}()
	fmt.Fprintf(os.Stderr, "measuring %s\n", name)
	b, err := newBench(ctx, o, who, stock, s)
	if err != nil {
		return 0, err
	}
	defer b.close()
	for i := range sections {
		b.section = sections[i]
		if err := b.within(ctx, s.steps[i].run); err != nil {
			return i, fmt.Errorf("%s: %w", s.steps[i].name, err)
		}
	}
	return len(sections), nil
}

// patience bounds a step, by subject: the Flux controllers look for some things twice a
// minute only.
var patience = map[report.Subject]time.Duration{report.Fluxd: 6 * time.Minute, report.Flux: 10 * time.Minute}

func (b *bench) within(ctx context.Context, run func(context.Context, *bench) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience[b.who])
	defer cancel()
	return run(ctx, b)
}

// reason says on the page why somebody has not come to the end: without what a message
// may tell of the machine.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("it took longer than %.0f minutes", patience[report.Flux].Minutes())
	}
	return "it ended with an error"
}
