package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxd/fluxd/pkg/bootstrap"
	"github.com/fluxd/fluxd/pkg/bootstrap/forge"
	"github.com/fluxd/fluxd/pkg/install"
)

// bootstrapFlags are the flags of all ways to bootstrap.
type bootstrapFlags struct {
	target    *target
	manifests install.Options
	options   bootstrap.Options
	interval  time.Duration
	key       bootstrap.KeyType
	caFile    string
	hostsFile string
	kinds     kindsFlags
	signing   signingFlags
	algos     []string // of host keys
}

func newBootstrap() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bootstrap",
		Short: "Make a cluster one that comes from Git, fluxd included",
		Long: "bootstrap commits the manifests of fluxd to a repository, applies them, and has fluxd keep the cluster\n" +
			"as the repository says from then on. It may be run again at any time: to complete what was interrupted,\n" +
			"or to upgrade.",
	}
	cmd.AddCommand(newBootstrapGit())
	for _, kind := range []string{forge.GitHub, forge.GitLab, forge.Gitea} {
		cmd.AddCommand(newBootstrapForge(kind))
	}
	cmd.AddCommand(newBootstrapBitbucket())
	return cmd
}

func newBootstrapFlags(cmd *cobra.Command) *bootstrapFlags {
	b := &bootstrapFlags{
		target: newTarget(), manifests: install.DefaultOptions(version), interval: time.Minute,
		key: bootstrap.KeyType{Algorithm: "ecdsa", Curve: "p384", Bits: 2048},
	}
	o, f := &b.options, cmd.Flags()
	b.target.register(f)
	b.manifests.Register(f)
	f.StringVar(&o.Sync.Branch, "branch", "main", "branch to commit to and to read")
	f.StringVar(&o.Sync.Path, "path", "", "folder of the cluster in the repository")
	f.StringVar(&o.Sync.Secret, "secret-name", "", "Secret with the credentials of the cluster; empty means the namespace's name")
	f.DurationVar(&b.interval, "interval", b.interval, "how often the cluster looks for commits")
	f.BoolVar(&o.Sync.Submodules, "recurse-submodules", false, "read submodules, too")
	f.StringVar(&o.AuthorName, "author-name", "Flux", "author of the commit")
	f.StringVar(&o.AuthorEmail, "author-email", "", "mail address of the author")
	f.StringVar(&o.Appendix, "commit-message-appendix", "", "end of the message of the commit, such as [skip ci]")
	f.BoolVar(&o.Force, "force", false, "go on although other controllers run")
	f.StringVar(&b.key.Algorithm, "ssh-key-algorithm", b.key.Algorithm, "algorithm of a key that is generated: ecdsa, ed25519 or rsa")
	f.StringVar(&b.key.Curve, "ssh-ecdsa-curve", b.key.Curve, "curve for ecdsa: p256, p384 or p521")
	f.IntVar(&b.key.Bits, "ssh-rsa-bits", b.key.Bits, "length for rsa")
	f.StringVar(&b.caFile, "ca-file", "", "file with a certificate authority for https")
	f.StringVar(&b.hostsFile, "known-hosts-file", "", "file with the key of the SSH host; empty asks the host")
	f.StringSliceVar(&b.algos, "ssh-hostkey-algos", nil, "algorithms of host keys to push with, in order of preference")
	f.StringSliceVar(&o.Sync.Folders, "sparse-checkout", nil, "folders that the cluster reads; --path has to be one of them")
	b.signing.register(f)
	b.kinds.register(f)
	return b
}

// run bootstraps, once open has said how the repository is reached.
func (b *bootstrapFlags) run(cmd *cobra.Command, open func(context.Context, *bootstrap.Options) error) error {
	o := b.options
	o.Open = func(ctx context.Context, o *bootstrap.Options) error {
		if err := open(ctx, o); err != nil {
			return err
		}
		o.Remote.HostKeyAlgorithms = b.algos
		return nil
	}
	o.Version = version
	o.Verify = func(objects install.Objects) error { return verify(objects, b.target.namespace) }
	o.Sync.Namespace = b.target.namespace
	o.Sync.Secret = cmp.Or(o.Sync.Secret, o.Sync.Namespace)
	o.Sync.Interval = (b.interval).String()
	if err := b.key.Check(); err != nil {
		return fmt.Errorf("--ssh-key-algorithm: %w", err)
	}
	if err := b.kinds.check(); err != nil {
		return err
	}
	b.manifests.Namespace = b.target.namespace
	o.Manifests = func(flags []string) (install.Options, error) {
		merged, err := b.manifests.Recall(flags, cmd.Flags())
		if err != nil {
			return merged, err
		}
		return merged, merged.Validate()
	}
	c, err := b.target.connect()
	if err != nil {
		return err
	}
	ctx, cancel := b.target.within(cmd.Context())
	defer cancel()
	return bootstrap.Run(ctx, c, o, progress(cmd))
}

// content returns that of a file, nothing if none is given.
func content(flag, file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return text, nil
}

// files reads the files that are given for every way to bootstrap.
func (b *bootstrapFlags) files() (ca, hosts []byte, err error) {
	if ca, err = content("ca-file", b.caFile); err != nil {
		return nil, nil, err
	}
	hosts, err = content("known-hosts-file", b.hostsFile)
	return ca, hosts, err
}

func newBootstrapGit() *cobra.Command {
	var access bootstrap.Access
	var bearer, silent bool
	var keyFile string
	cmd := &cobra.Command{
		Use:   "git",
		Short: "Bootstrap from a repository on any Git server",
		Long: "git takes a repository that exists, over HTTPS or SSH. Over SSH, the cluster gets the key that is given, or\n" +
			"one that is generated and shown: the repository has to let it in.\n" +
			"The password or token may also be in the environment variable GIT_PASSWORD.",
		Example: "  fluxd bootstrap git --url=ssh://git@git.example.com/fleet.git --path=clusters/edge\n" +
			"  GIT_PASSWORD=token fluxd bootstrap git --url=https://git.example.com/fleet.git --path=clusters/edge",
		Args: cobra.NoArgs,
	}
	b := newBootstrapFlags(cmd)
	b.target.registerDryRun(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&access.URL, "url", "", "URL of the repository")
	f.StringVarP(&access.Username, "username", "u", "git", "user name for https")
	f.StringVarP(&access.Password, "password", "p", "", "password or token for https, or the password of the private key; better in GIT_PASSWORD")
	f.BoolVar(&bearer, "with-bearer-token", false, "the password is a bearer token")
	f.BoolVar(&access.InsecureHTTP, "allow-insecure-http", false, "allow http, by which everybody in between may read and write")
	f.StringVar(&keyFile, "private-key-file", "", "private key for SSH, for the push and for the cluster")
	f.BoolVarP(&silent, "silent", "s", false, "do not wait until a generated key was let in")
	f.Bool("token-auth", false, "accepted: a password with an https URL is always for the cluster as well")
	registerForeign(f, "manifests", "registry-creds", "ssh-hostname")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		access.Password = cmp.Or(access.Password, os.Getenv("GIT_PASSWORD"))
		access.Key = b.key
		if access.CA, access.KnownHosts, err = b.files(); err != nil {
			return err
		}
		if access.Identity, err = content("private-key-file", keyFile); err != nil {
			return err
		}
		if b.options.Sign, err = b.signing.signer(keyFile, access.Password); err != nil {
			return err
		}
		if bearer {
			access.BearerToken, access.Password = access.Password, ""
		}
		access.Show = func(_ context.Context, public string, fresh bool) error {
			return show(cmd, public, fresh, silent)
		}
		return b.run(cmd, access.Fill)
	}
	return cmd
}

// show prints a public key, and waits until it was let in.
func show(cmd *cobra.Command, public string, fresh, silent bool) error {
	fmt.Fprintf(cmd.OutOrStdout(), "public key: %s\n", strings.TrimSpace(public))
	if !fresh || silent {
		return nil
	}
	yes, err := confirmed(cmd, "Please give this key access to the repository. Has it?")
	if err == nil && !yes {
		err = errors.New("the cluster cannot read the repository yet: let the key in and run this again")
	}
	return err
}

func newBootstrapForge(kind string) *cobra.Command {
	access := bootstrap.ForgeAccess{Options: forge.Options{Kind: kind}}
	variable := strings.ToUpper(kind) + "_TOKEN"
	var teams []string
	cmd := &cobra.Command{
		Use:   kind,
		Short: "Bootstrap from a repository on " + titles[kind] + ", which is made if it is not there",
		Long: "The token is read from the environment variable " + variable + ", or from the standard input. It makes the\n" +
			"repository, pushes, and lets the key of the cluster in; with --token-auth the cluster reads with it, too.",
		Example: "  " + variable + "=token fluxd bootstrap " + kind + " --owner=example --repository=fleet --path=clusters/edge",
		Args:    cobra.NoArgs,
	}
	b := newBootstrapFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&access.Repository.Owner, "owner", "", "user, organisation or group that the repository belongs to")
	f.StringVar(&access.Repository.Name, "repository", "", "name of the repository")
	f.BoolVar(&access.Repository.Personal, "personal", false, "the owner is a user")
	f.BoolVar(&access.Repository.Private, "private", true, "make it a private repository")
	f.StringSliceVar(&teams, "team", nil, "team with access to a repository that is made, as name or name:permission (repeatable)")
	f.StringVar(&access.Hostname, "hostname", "", "host of "+titles[kind]+", or a URL; empty means the public one")
	f.StringVar(&access.SSHHostname, "ssh-hostname", "", "host for SSH, if it is another one")
	f.BoolVar(&access.TokenAuth, "token-auth", false, "have the cluster read over https with the token, not over SSH with a key")
	f.BoolVar(&access.WriteKey, "read-write-key", false, "let the key of the cluster write, as image automation needs")
	registerForeign(f, "manifests", "registry-creds", "reconcile", "private-key-file")
	if kind == forge.GitLab {
		registerForeign(f, "deploy-token-auth")
		f.StringVar(&access.Repository.Visibility, "visibility", "", "make it private, internal or public; empty goes by --private")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		r := &access.Repository
		if r.Owner == "" || r.Name == "" {
			return errors.New("--owner and --repository: both are needed")
		}
		if !slices.Contains([]string{"", "private", "internal", "public"}, r.Visibility) {
			return fmt.Errorf("--visibility: %q is none of private, internal, public", r.Visibility)
		}
		for _, team := range teams {
			name, permission, _ := strings.Cut(team, ":")
			r.Teams = append(r.Teams, forge.Team{Name: name, Permission: permission})
		}
		if b.options.Sign, err = b.signing.signer("", ""); err != nil {
			return err
		}
		r.Branch, r.Description = b.options.Sync.Branch, "What runs on the clusters, kept by fluxd"
		access.Key = b.key
		if access.CA, access.KnownHosts, err = b.files(); err != nil {
			return err
		}
		if access.Options.Token, err = readToken(cmd, variable); err != nil {
			return err
		}
		return b.run(cmd, func(ctx context.Context, o *bootstrap.Options) error {
			return access.Fill(ctx, o, progress(cmd).Done)
		})
	}
	return cmd
}

var titles = map[string]string{forge.GitHub: "GitHub", forge.GitLab: "GitLab", forge.Gitea: "Gitea or Forgejo"}

// maxToken bounds what is read as a token.
const maxToken = 16 << 10

// readToken returns the one of the environment, or else the standard input, if that is not
// a terminal.
func readToken(cmd *cobra.Command, variable string) (string, error) {
	if text := os.Getenv(variable); text != "" {
		return text, nil
	}
	if file, ok := cmd.InOrStdin().(*os.File); ok {
		if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice != 0 {
			return "", fmt.Errorf("%w: set the environment variable %s", forge.ErrNoToken, variable)
		}
	}
	text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxToken))
	if err != nil {
		return "", err
	}
	if line := strings.TrimSpace(string(text)); line != "" {
		return line, nil
	}
	return "", fmt.Errorf("%w: set the environment variable %s", forge.ErrNoToken, variable)
}
