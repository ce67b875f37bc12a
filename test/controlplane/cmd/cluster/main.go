// Command cluster runs a control plane in the background, for the demo and
// for trying things by hand:
//
//	cluster up      starts it, unless it runs, and prints how to use it
//	cluster down    ends it
//	cluster status  tells whether it runs, and where
//	cluster build   builds the program that it runs, and nothing else
//
// What up prints on standard output is for the shell: eval "$(cluster up)".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/fluxd/fluxd/test/controlplane"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// errUsage is the error of a command line that makes no sense.
var errUsage = errors.New("usage: cluster up|down|status|build [--dir DIRECTORY] [--nodes N]")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "where to keep the state; in the user's cache directory if empty")
	nodes := flags.Int("nodes", 2, "how many nodes to simulate")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	s, err := openState(*dir)
	if err != nil {
		return err
	}
	switch args[0] {
	case "up":
		return up(ctx, s, *nodes, stdout, stderr)
	case "down":
		return down(ctx, s, stdout)
	case "status":
		return status(s, stdout)
	case "build":
		return build(ctx, stdout, stderr)
	case "serve": // what up leaves in the background
		return serve(ctx, s, *nodes)
	default:
		return errUsage
	}
}

func build(ctx context.Context, stdout, stderr io.Writer) error {
	binary, err := controlplane.Build(ctx, stderr)
	if err == nil {
		fmt.Fprintln(stdout, binary)
	}
	return err
}

func status(s state, stdout io.Writer) error {
	r, running := s.read()
	if !running {
		fmt.Fprintln(stdout, "not running")
		return nil
	}
	fmt.Fprintf(stdout, "running since %s\nkubeconfig %s\nlogs %s\n", r.Since.Format("2006-01-02 15:04:05"), s.kubeconfig(), s.logs())
	for _, name := range r.names() {
		fmt.Fprintf(stdout, "pid %d %s\n", r.PIDs[name], name)
	}
	return nil
}

// printUse tells the shell how to use the cluster and people what else there
// is.
func printUse(s state, stdout, stderr io.Writer) {
	fmt.Fprintf(stdout, "export KUBECONFIG=%s\n", s.kubeconfig())
	fmt.Fprintf(stderr, "the cluster is up; kubectl is %s\n", filepath.Join(s.dir, "bin", "kubectl"))
}
