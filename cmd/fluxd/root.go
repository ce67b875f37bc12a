package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// newRoot returns the command line.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "fluxd",
		Short:         "All of Flux in one small process",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRun(), newInstall(), newUninstall(), newCheck(), newExport(), newBootstrap(), newDiff(), newExplain(), newTree(), newTrace(), newVersion(), newFlags())
	return root
}

func newRun() *cobra.Command {
	o := defaults()
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch sources and make the cluster match them",
		Long: "run reconciles until it is told to stop. In a Pod it uses the service account;\n" +
			"elsewhere --kubeconfig or the environment variable KUBECONFIG says where.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			return run(cmd.Context(), o, cmd.ErrOrStderr())
		},
	}
	o.register(cmd.Flags())
	return cmd
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "fluxd %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
		},
	}
}

// newFlags prints the reference page of the flags, docs/flags.md.
func newFlags() *cobra.Command {
	return &cobra.Command{
		Use:    "flags",
		Short:  "Print the flags of run as a Markdown table",
		Hidden: true,
		Args:   cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			writeFlags(cmd.OutOrStdout())
		},
	}
}
