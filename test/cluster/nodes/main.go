package nodes

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// options are the flags of the nodes command.
type options struct {
	kubeconfig string
	nodes      int
	delays     delays
}

// delays say how long the steps in a Pod's life take when the Pod does not
// say so itself.
type delays struct {
	start time.Duration // from being bound to running
	run   time.Duration // from running to finished, for Pods that finish
}

// Main runs the nodes command with args, the program's name left out, until
// it is told to stop, and returns its exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "nodes:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1 // one process stands for many kubelets
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("build client: %w", err)
	}
	for i := range o.nodes {
		go newNode(client, i).run(ctx)
	}
	return newPods(client, o.delays).run(ctx)
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("nodes", flag.ContinueOnError)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "the cluster to join, as an administrator")
	flags.IntVar(&o.nodes, "nodes", 2, "how many nodes to register")
	flags.DurationVar(&o.delays.start, "start-after", 100*time.Millisecond, "time from a Pod being bound to it running")
	flags.DurationVar(&o.delays.run, "run-for", 300*time.Millisecond, "time that a Pod of a Job runs")
	err := flags.Parse(args)
	return o, err
}
