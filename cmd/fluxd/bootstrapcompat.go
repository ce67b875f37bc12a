package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fluxd/fluxd/pkg/install"
)

// foreign are flags of `flux bootstrap` for which there is nothing here, and what to do
// instead. They are known, so that whoever has them in a script is told.
var foreign = map[string]string{
	"manifests":         "the manifests are those of this program; change them by patches in flux-system/kustomization.yaml",
	"registry-creds":    "make the Secret with kubectl create secret docker-registry, and name it with --image-pull-secret",
	"reconcile":         "a repository that exists stays as it is; change it at the forge",
	"deploy-token-auth": "the cluster reads with a deploy key, or with the token if --token-auth is set",
	"private-key-file":  "the cluster gets a deploy key of its own; with a key that you have, use fluxd bootstrap git",
	"ssh-hostname":      "it is part of --url",
}

// foreignSwitches are those of them without a value.
var foreignSwitches = []string{"reconcile", "deploy-token-auth"}

// registerForeign adds some of them.
func registerForeign(f *pflag.FlagSet, names ...string) {
	for _, name := range names {
		instead := foreign[name]
		flag := f.VarPF(&refused{instead}, name, "", "is not there: "+instead)
		flag.Hidden = true
		if slices.Contains(foreignSwitches, name) {
			flag.NoOptDefVal = "true"
		}
	}
}

// refused is a flag that cannot be set.
type refused struct{ instead string }

// String implements [pflag.Value].
func (*refused) String() string { return "" }

// Type implements [pflag.Value].
func (*refused) Type() string { return "string" }

// Set implements [pflag.Value].
func (r *refused) Set(string) error { return fmt.Errorf("fluxd has no such flag: %s", r.instead) }

// kindsFlags are the flags by which flux is told which controllers to install. fluxd is
// one process, which looks after what its definitions are for.
type kindsFlags struct{ components, extra []string }

func (k *kindsFlags) register(f *pflag.FlagSet) {
	f.StringSliceVar(&k.components, "components", nil, "accepted: all kinds are there")
	f.StringSliceVar(&k.extra, "components-extra", nil, "accepted if it names nothing that is missing")
}

// check refuses controllers whose kinds are not served. notification-controller is not
// among them, as it is one that flux installs unless it is told otherwise.
func (k kindsFlags) check() error {
	for flag, names := range map[string][]string{"components": k.components, "components-extra": k.extra} {
		for _, name := range names {
			switch {
			case !install.IsComponent(name):
				return fmt.Errorf("--%s: %q is no controller of Flux", flag, name)
			case !slices.Contains(install.Served(), name) && name != "notification-controller":
				return fmt.Errorf("--%s: the kinds of %s are not served", flag, name)
			}
		}
	}
	return nil
}

// newBootstrapBitbucket tells those who look for it what to do.
func newBootstrapBitbucket() *cobra.Command {
	return &cobra.Command{
		Use:                "bitbucket-server",
		Short:              "Not there: make the repository, then use fluxd bootstrap git",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("the API of Bitbucket is not spoken: make the repository there, then run\n  %s",
				strings.Join([]string{"GIT_PASSWORD=token fluxd bootstrap git", "--url=https://HOST/scm/PROJECT/REPOSITORY.git", "--username=USER", "--path=PATH"}, " "))
		},
	}
}
