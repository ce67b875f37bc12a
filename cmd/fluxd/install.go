package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fluxd/fluxd/pkg/bootstrap"
	"github.com/fluxd/fluxd/pkg/install"
)

func newInstall() *cobra.Command {
	t, o := newTarget(), install.DefaultOptions(version)
	var export, force bool
	var kinds kindsFlags
	var overlay string
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Put fluxd on a cluster, or upgrade it there",
		Long: "install applies what fluxd needs and waits until it is ready. It may be run again, to upgrade.\n" +
			"A cluster that should come from Git as a whole is the business of fluxd bootstrap.",
		Example: "  fluxd install\n  fluxd install --dry-run\n  fluxd install --export > fluxd.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Namespace = t.namespace
			if err := errors.Join(o.Validate(), kinds.check()); err != nil {
				return err
			}
			ctx, cancel := t.within(cmd.Context())
			defer cancel()
			switch {
			case overlay != "":
				files, err := bootstrap.Seed(ctx, o, version)
				if err != nil {
					return err
				}
				return seed(cmd, overlay, files)
			case export:
				objects, err := install.Manifests(ctx, o)
				if err != nil {
					return err
				}
				return printObjects(cmd, objects)
			}
			c, err := t.connect()
			if err != nil {
				return err
			}
			return install.Install(ctx, c, o, force, progress(cmd))
		},
	}
	t.register(cmd.Flags())
	t.registerDryRun(cmd.Flags())
	o.Register(cmd.Flags())
	kinds.register(cmd.Flags())
	cmd.Flags().BoolVar(&export, "export", false, "print the manifests and touch no cluster")
	cmd.Flags().StringVar(&overlay, "overlay", "", "write the files to this folder that let flux bootstrap put fluxd on a cluster, and touch no cluster")
	cmd.Flags().BoolVar(&force, "force", false, "go on although other controllers run, or the cluster comes from Git")
	registerForeign(cmd.Flags(), "manifests", "registry-creds")
	return cmd
}

// printObjects writes objects to the standard output.
func printObjects(cmd *cobra.Command, objects install.Objects) error {
	manifest, err := install.Encode(objects)
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(manifest)
	return err
}

// seed writes files below a folder. Those that are there stay as they are, but for the
// ones of fluxd alone.
func seed(cmd *cobra.Command, dir string, files map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		_, err := os.Stat(file)
		if err == nil && filepath.Dir(name) == "." {
			progress(cmd).Note("%s is there and stays", file)
			continue
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, files[name], 0o644); err != nil {
			return err
		}
		progress(cmd).Done("%s", file)
	}
	return nil
}

func newUninstall() *cobra.Command {
	t := newTarget()
	var r install.Removal
	var silent bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take fluxd, or Flux, off a cluster",
		Long: "uninstall deletes the process, its kinds with all their objects, its rights and its namespace.\n" +
			"What Kustomizations and HelmReleases applied stays and runs on, unless --delete-workloads is set.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.Namespace = t.namespace
			c, err := t.connect()
			if err != nil {
				return err
			}
			question := fmt.Sprintf("Delete fluxd and all of its objects from %s?", c.Host)
			if r.Workloads {
				question = fmt.Sprintf("Delete fluxd from %s, AND EVERYTHING that it has applied?", c.Host)
			}
			if !silent && !t.dryRun {
				yes, err := confirmed(cmd, question)
				if err != nil {
					return err
				}
				if !yes {
					return errors.New("nothing was deleted")
				}
			}
			ctx, cancel := t.within(cmd.Context())
			defer cancel()
			return install.Uninstall(ctx, c, r, progress(cmd))
		},
	}
	t.register(cmd.Flags())
	t.registerDryRun(cmd.Flags())
	cmd.Flags().BoolVar(&r.KeepNamespace, "keep-namespace", false, "leave the namespace")
	cmd.Flags().BoolVar(&r.Workloads, "delete-workloads", false, "also delete what Kustomizations and HelmReleases applied")
	cmd.Flags().BoolVarP(&silent, "silent", "s", false, "do not ask")
	return cmd
}

func newCheck() *cobra.Command {
	t := newTarget()
	var pre bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Tell whether fluxd can be installed, and how it is doing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.connect()
			if err != nil {
				return err
			}
			ctx, cancel := t.within(cmd.Context())
			defer cancel()
			return install.Check(ctx, c, install.Checks{Namespace: t.namespace, Pre: pre, Preflight: preflight}, progress(cmd))
		},
	}
	t.register(cmd.Flags())
	cmd.Flags().BoolVar(&pre, "pre", false, "look at nothing but what it takes to install")
	return cmd
}

func newExport() *cobra.Command {
	t := newTarget()
	var s install.Selection
	var everywhere bool
	cmd := &cobra.Command{
		Use:   "export [KIND [NAME]]",
		Short: "Print objects as they would stand in Git",
		Long: "export prints the objects of all kinds, of one, or one object, without their status and what only\n" +
			"the cluster knows. Secrets are printed as they are: mind where the output goes.",
		Example: "  fluxd export -A > backup.yaml\n  fluxd export ks apps --with-sources --with-secrets",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.Namespace = t.namespace; everywhere {
				s.Namespace = ""
			}
			args = append(args, "", "")
			s.Kind, s.Name = args[0], args[1]
			c, err := t.connect()
			if err != nil {
				return err
			}
			ctx, cancel := t.within(cmd.Context())
			defer cancel()
			objects, err := install.Export(ctx, c, s)
			if err != nil {
				return err
			}
			return printObjects(cmd, objects)
		},
	}
	t.register(cmd.Flags())
	cmd.Flags().BoolVarP(&everywhere, "all-namespaces", "A", false, "of all namespaces")
	cmd.Flags().BoolVar(&s.Sources, "with-sources", false, "add the sources that they refer to")
	cmd.Flags().BoolVar(&s.Secrets, "with-secrets", false, "add the Secrets that they refer to")
	return cmd
}
