package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fluxd/fluxd/pkg/install"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

// target are the flags of the commands that a person runs: which cluster, and how long
// it may take.
type target struct {
	kubeconfig, context, namespace string
	timeout                        time.Duration
	dryRun                         bool
}

func newTarget() *target {
	return &target{namespace: cmp.Or(os.Getenv("FLUX_SYSTEM_NAMESPACE"), install.DefaultNamespace), timeout: 5 * time.Minute}
}

func (t *target) register(f *pflag.FlagSet) {
	f.StringVar(&t.kubeconfig, "kubeconfig", t.kubeconfig, "path of the kubeconfig; empty means KUBECONFIG or the usual place")
	f.StringVar(&t.context, "context", t.context, "context of the kubeconfig; empty means the current one")
	f.StringVarP(&t.namespace, "namespace", "n", t.namespace, "namespace of fluxd")
	f.DurationVar(&t.timeout, "timeout", t.timeout, "how long it may take")
}

func (t *target) registerDryRun(f *pflag.FlagSet) {
	f.BoolVar(&t.dryRun, "dry-run", t.dryRun, "tell what would be done, and write nothing")
}

// connect opens the connection to the cluster.
func (t *target) connect() (*install.Cluster, error) {
	http.DefaultTransport = kustomize.NoNetwork{}
	config, err := kube.LoadContext(t.kubeconfig, t.context, "fluxd/"+version)
	if err != nil {
		return nil, err
	}
	return install.Connect(config, t.dryRun)
}

// within bounds a command.
func (t *target) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, t.timeout, fmt.Errorf("it took longer than --timeout=%s", t.timeout))
}

// progress tells the person what happens. It is not output, which goes elsewhere.
func progress(cmd *cobra.Command) install.Progress { return install.Progress{Out: cmd.ErrOrStderr()} }

// confirmed asks the person a question.
func confirmed(cmd *cobra.Command, question string) (bool, error) {
	fmt.Fprintf(cmd.ErrOrStderr(), "? %s [y/N] ", question)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && answer == "" {
		fmt.Fprintln(cmd.ErrOrStderr())
		return false, fmt.Errorf("nobody answers: use --silent to go on without a question")
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}
