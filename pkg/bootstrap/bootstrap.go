package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/install"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// Options say what to bootstrap.
type Options struct {
	// Open, unless nil, fills in how the repository is reached, and makes it where there
	// is none. It is called once it is known that the cluster can be bootstrapped.
	Open func(ctx context.Context, o *Options) error
	// Remote is how the person at the keyboard reads and writes the repository.
	Remote *git.Remote
	// Sync and Credentials are how the cluster reads it.
	Sync        Sync
	Credentials Credentials
	// Manifests returns the options of the manifests, given the flags of the last time.
	Manifests func(flags []string) (install.Options, error)
	// Verify looks at what the cluster would build, before it is pushed; nil takes
	// everything.
	Verify func(install.Objects) error
	// Version is that of the program.
	Version string
	// AuthorName and AuthorEmail are those of commits, and Appendix ends their messages.
	AuthorName, AuthorEmail, Appendix string
	// Sign signs commits; nil leaves them without a signature.
	Sign git.Signer
	// Force goes on although other controllers run.
	Force bool
}

// check refuses what cannot work, by the names of the flags.
func (o Options) check() error {
	var bad []error
	if o.Sync.Branch == "" {
		bad = append(bad, errors.New("--branch: is missing"))
	}
	if interval, err := time.ParseDuration(o.Sync.Interval); err != nil || interval < time.Second {
		bad = append(bad, fmt.Errorf("--interval: %q is not a duration of a second or more", o.Sync.Interval))
	}
	read := func(folder string) bool {
		folder, at := path.Clean("/"+folder), path.Clean("/"+o.Sync.Path)
		return folder == "/" || at == folder || strings.HasPrefix(at, folder+"/")
	}
	if len(o.Sync.Folders) > 0 && !slices.ContainsFunc(o.Sync.Folders, read) {
		bad = append(bad, fmt.Errorf("--sparse-checkout: --path=%q is not in it", o.Sync.Path))
	}
	_, err := o.Manifests(nil)
	return errors.Join(append(bad, err)...)
}

// tries is how often a branch that moves is read anew.
const tries = 5

type bootstrap struct {
	cluster  *install.Cluster
	options  Options
	progress install.Progress
}

// Run bootstraps a cluster, from the first look at it until it reports the revision
// that was pushed. It may be run again, whether or not it came to its end before.
func Run(ctx context.Context, c *install.Cluster, o Options, p install.Progress) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := c.Prepare(ctx, o.Sync.Namespace, o.Force, p); err != nil {
		return err
	}
	if o.Open != nil {
		if err := o.Open(ctx, &o); err != nil {
			return err
		}
	}
	b := &bootstrap{cluster: c, options: o, progress: p}
	if err := b.samePath(ctx); err != nil {
		return err
	}
	state, err := b.commit(ctx)
	if err != nil {
		return err
	}
	if c.DryRun {
		changes, err := c.Apply(ctx, nil, state.objects)
		p.Changes(changes)
		return err
	}
	if err := b.bring(ctx, state); err != nil {
		return err
	}
	p.Done("bootstrap finished")
	return nil
}

// samePath refuses to turn a cluster to another folder: what it has now would be pruned.
func (b *bootstrap) samePath(ctx context.Context) error {
	s := b.options.Sync
	root, err := b.cluster.Get(ctx, api.KustomizationGVR, s.Namespace, s.Namespace)
	if err != nil || root == nil {
		return err
	}
	there, _, _ := unstructured.NestedString(root.Object, "spec", "path")
	if there = path.Clean("/" + there); there != path.Clean("/"+s.Path) {
		return fmt.Errorf("the cluster comes from the folder .%s of a repository, and --path is %q: all that is there would be pruned; "+
			"use --path=.%s, or uninstall first", there, s.Path, there)
	}
	return nil
}

// state is what the branch holds, after the push.
type state struct {
	revision string
	objects  install.Objects
}

// commit brings the files of the layout to the branch, unless they are there.
func (b *bootstrap) commit(ctx context.Context) (state, error) {
	var err error
	for range tries {
		var s state
		if s, err = b.tryCommit(ctx); !errors.Is(err, git.ErrMoved) {
			return s, err
		}
		b.progress.Note("somebody else pushed to %s; reading it again", b.options.Sync.Branch)
	}
	return state{}, err
}

func (b *bootstrap) tryCommit(ctx context.Context) (state, error) {
	o := b.options
	b.progress.Step("reading the branch %s of %s", o.Sync.Branch, o.Sync.URL)
	head, err := b.fetch(ctx)
	if err != nil {
		return state{}, err
	}
	b.progress.Done("%s", head)
	l := &layout{
		dir: path.Join(".", path.Clean("/" + o.Sync.Path)[1:], o.Sync.Namespace), from: head, sync: o.Sync,
		manifests: o.Manifests, version: o.Version,
	}
	changes, err := l.plan(ctx)
	if err != nil {
		return state{}, err
	}
	objects, err := head.build(ctx, l.dir, changes)
	if err != nil {
		return state{}, fmt.Errorf("the branch was not touched, since it would not build: %w", err)
	}
	if o.Verify != nil {
		if err := o.Verify(objects); err != nil {
			return state{}, fmt.Errorf("the branch was not touched, since fluxd would not do what it says: %w", err)
		}
	}
	if err := head.misses(l.dir, changes, objects); err != nil {
		return state{}, fmt.Errorf("the branch was not touched: %w", err)
	}
	s := state{head.revision(), objects}
	if len(changes) == 0 && head.onBranch {
		b.progress.Done("the manifests in %s are up to date", l.dir)
		return s, nil
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		b.progress.Step("%s", name)
	}
	if b.cluster.DryRun {
		b.progress.Done("%d files would be committed", len(changes))
		return s, nil
	}
	id, err := o.Remote.Push(ctx, o.Sync.Branch, head.commit, git.Change{
		Files: changes, Message: b.message(), Name: o.AuthorName, Email: o.AuthorEmail, When: time.Now(), Sign: o.Sign,
	})
	if err != nil {
		return state{}, b.advise(err)
	}
	s.revision = o.Sync.Branch + "@sha1:" + id
	b.progress.Done("pushed %s", s.revision)
	return s, nil
}

func (b *bootstrap) message() string {
	text := "Add fluxd " + b.options.Version + " manifests"
	if b.options.Appendix != "" {
		text += "\n\n" + b.options.Appendix
	}
	return text
}

// advise says what to do about a push that failed.
func (b *bootstrap) advise(err error) error {
	switch {
	case errors.Is(err, git.ErrRefused):
		return fmt.Errorf("%w; if the branch %s is protected, let this account push to it for the time of the bootstrap, or use another --branch and merge it",
			err, b.options.Sync.Branch)
	case errors.Is(err, git.ErrAuth):
		return fmt.Errorf("%w; the credentials may read the repository and not write it", err)
	}
	return err
}
