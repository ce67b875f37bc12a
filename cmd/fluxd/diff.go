package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/preview"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

// The exit codes of diff, which are those of other programs of that name.
const (
	exitDiffers = 1
	exitTrouble = 2
)

// exitError ends the process with a code of its own. Without an error nothing is
// printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

var errDiffers = errors.New("there are differences")

// diff are the flags of diff. Those that shape what the daemon does are those of run.
type diff struct {
	options *options
	kind    schema.GroupKind

	namespace, home  string
	revision, branch string
	path, output     string
	recursive, code  bool
	timeout          time.Duration
}

func newDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Print what a revision, branch or folder would change in the cluster",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return trouble(fmt.Errorf("there are no previews of %q", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newDiffKustomization(), newDiffHelmRelease())
	return cmd
}

func newDiffKustomization() *cobra.Command {
	return newDiffOf(api.KustomizationGVK.GroupKind(), &cobra.Command{
		Use:     "kustomization NAME",
		Aliases: []string{"ks"},
		Short:   "Print what applying a Kustomization would change",
		Long: "diff builds a Kustomization as the daemon would, asks the API server for dry-runs and\n" +
			"prints what would be created, changed and deleted. Nothing is written. It needs no\n" +
			"running daemon. Flags of \"fluxd run\" that change what is built or applied have to be\n" +
			"given here as well.\n\n" +
			"The exit code is 0 if nothing would change, 1 if something would, and 2 on errors.",
		Example: "  fluxd diff kustomization apps -n flux-system --branch next\n" +
			"  fluxd diff kustomization apps -n flux-system --path . --recursive",
	})
}

func newDiffHelmRelease() *cobra.Command {
	return newDiffOf(api.HelmReleaseGVK.GroupKind(), &cobra.Command{
		Use:     "helmrelease NAME",
		Aliases: []string{"hr"},
		Short:   "Print what releasing a chart would change",
		Long: "diff renders the chart of a HelmRelease as the daemon would, asks the API server for\n" +
			"dry-runs and prints what would become of the objects of the release. Nothing is written.\n\n" +
			"The exit code is 0 if nothing would change, 1 if something would, and 2 on errors.",
		Example: "  fluxd diff helmrelease app -n apps",
	})
}

// newDiffOf completes a command that previews objects of a kind.
func newDiffOf(kind schema.GroupKind, cmd *cobra.Command) *cobra.Command {
	d := &diff{options: defaults(), kind: kind}
	cmd.Args = func(cmd *cobra.Command, args []string) error { return trouble(cobra.ExactArgs(1)(cmd, args)) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return trouble(d.run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()))
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return trouble(err) })
	d.register(cmd.Flags())
	return cmd
}

// trouble gives an error its exit code, unless it has one.
func trouble(err error) error {
	if _, has := errors.AsType[*exitError](err); has || err == nil {
		return err
	}
	return &exitError{exitTrouble, err}
}

func (d *diff) register(f *pflag.FlagSet) {
	d.options.register(f)
	f.VisitAll(func(one *pflag.Flag) { one.Hidden = one.Name != "kubeconfig" })
	home := d.options.namespace
	if home == "" {
		home = "flux-system"
	}
	f.StringVarP(&d.namespace, "namespace", "n", "flux-system", "namespace of the object")
	f.StringVar(&d.home, "runtime-namespace", home, "namespace that the daemon runs in")
	f.StringVar(&d.revision, "revision", "", "revision of the source: as status tells it, or a commit, a tag or a digest")
	f.StringVar(&d.branch, "branch", "", "branch of the source")
	f.StringVar(&d.path, "path", "", "local folder that stands for the root of the source")
	f.BoolVar(&d.recursive, "recursive", false, "look into the Kustomizations and HelmReleases that would be applied as well")
	f.StringVarP(&d.output, "output", "o", "text", "text or json")
	f.BoolVar(&d.code, "exit-code", true, "end with 1 if there are differences; false ends with 0")
	f.DurationVar(&d.timeout, "timeout", 5*time.Minute, "how long it may take")
}

// run prints a preview.
func (d *diff) run(ctx context.Context, name string, out, logs io.Writer) error {
	if d.output != "text" && d.output != "json" {
		return fmt.Errorf("--output: %q is neither text nor json", d.output)
	}
	request := preview.Request{
		Kind: d.kind, Namespace: d.namespace, Name: name,
		Revision: d.revision, Branch: d.branch, Recursive: d.recursive,
	}
	if d.path != "" {
		folder, err := preview.Local(d.path)
		if err != nil {
			return fmt.Errorf("--path: %w", err)
		}
		request.Folder = folder
	}
	report, err := d.report(ctx, request, logs)
	if err != nil {
		return err
	}
	write := report.Text
	if d.output == "json" {
		write = report.JSON
	}
	if err := write(out); err != nil {
		return err
	}
	switch {
	case report.Failures() > 0:
		return fmt.Errorf("objects that are refused, or of which nothing can be foreseen: %d", report.Failures())
	case report.Changed() > 0 && d.code:
		return &exitError{exitDiffers, errDiffers}
	}
	return nil
}

// report makes a preview with the parts of a daemon that does not run.
func (d *diff) report(ctx context.Context, r preview.Request, logs io.Writer) (*preview.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	o := d.options
	o.namespace, o.preview = d.home, true
	for flag, value := range map[string]string{
		"metrics-addr": "", "health-addr": "", "artifact-addr": "", "api-addr": "", "events-addr": "", "cache-dir": "",
		"log-level": "error", "log-encoding": "console",
	} {
		if err := o.given.Set(flag, value); err != nil {
			return nil, err
		}
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	log, err := newLogger(o.logLevel, o.logEncoding, logs)
	if err != nil {
		return nil, err
	}
	http.DefaultTransport = kustomize.NoNetwork{}
	parts, err := build(ctx, o, log)
	if err != nil {
		return nil, err
	}
	defer parts.close()
	previews, err := parts.previews()
	if err != nil {
		return nil, err
	}
	return previews.Run(ctx, r)
}

// exit tells why a command has failed, and returns the exit code for it.
func exit(err error) int {
	own, has := errors.AsType[*exitError](err)
	if has && errors.Is(err, errDiffers) {
		return own.code
	}
	fmt.Fprintln(os.Stderr, "fluxd:", err)
	if has {
		return own.code
	}
	return 1
}
