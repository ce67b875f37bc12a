package helm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v3/pkg/chart"
)

// ErrDependency says that a dependency of a chart cannot be had.
var ErrDependency = errors.New("unusable dependency")

// maxDependencies is how many dependencies one chart may have.
const maxDependencies = 256

// Puller gets charts from one repository.
type Puller interface {
	// Pull returns the archives of what is wanted, each of limit bytes at most.
	Pull(ctx context.Context, wants []Want, limit int64) (map[Want][]byte, error)
}

// Pull implements [Puller].
func (r *Repository) Pull(ctx context.Context, wants []Want, limit int64) (map[Want][]byte, error) {
	found, err := r.read(ctx, nil, wants)
	if err != nil {
		return nil, err
	}
	archives := make(map[Want][]byte, len(wants))
	for _, want := range wants {
		a := found.answers[want]
		if a.err != nil {
			return nil, a.err
		}
		if archives[want], err = r.Download(ctx, a.release, limit); err != nil {
			return nil, err
		}
	}
	return archives, nil
}

// Repositories returns how to get charts from a repository, by its normalized
// URL, see [NormalizeURL].
type Repositories func(ctx context.Context, url string) (Puller, error)

// Resolve adds the dependencies that the chart asks for and does not contain, and
// returns how many they are. Those in folders are looked for in the tree that the
// chart was loaded from; what they depend on themselves has to be in them.
func (c *Chart) Resolve(ctx context.Context, tree fs.FS, repositories Repositories) (int, error) {
	missing := c.missing()
	if len(missing) > maxDependencies {
		return 0, fmt.Errorf("%w: there are more than %d", ErrDependency, maxDependencies)
	}
	remote := make(map[string][]*chart.Dependency)
	var order []string
	for _, d := range missing {
		if isLocal(d.Repository) {
			if err := c.addLocal(tree, d); err != nil {
				return 0, fmt.Errorf("%w: failed to add local dependency '%s': %w", ErrDependency, key(d), err)
			}
			continue
		}
		repository, err := NormalizeURL(d.Repository)
		if err != nil {
			return 0, fmt.Errorf("%w: failed to add remote dependency '%s': %w", ErrDependency, key(d), err)
		}
		if remote[repository] == nil {
			order = append(order, repository)
		}
		remote[repository] = append(remote[repository], d)
	}
	for _, repository := range order {
		if err := c.addRemote(ctx, repository, remote[repository], repositories); err != nil {
			return 0, err
		}
	}
	return len(missing), nil
}

// key is the name under which a dependency is known to its chart.
func key(d *chart.Dependency) string {
	if d.Alias != "" {
		return d.Alias
	}
	return d.Name
}

// missing returns what the chart asks for, in its lock file if it has one, and does
// not contain. A chart that contains as many as it asks for lacks none.
func (c *Chart) missing() []*chart.Dependency {
	asked := c.chart.Metadata.Dependencies
	if c.chart.Lock != nil {
		asked = c.chart.Lock.Dependencies
	}
	if len(asked) == len(c.chart.Dependencies()) {
		return nil
	}
	var missing []*chart.Dependency
	for _, d := range asked {
		if d == nil {
			continue
		}
		known := func(other *chart.Dependency) bool { return key(other) == key(d) }
		contained := func(sub *chart.Chart) bool { return sub.Name() == key(d) }
		if !slices.ContainsFunc(c.chart.Dependencies(), contained) && !slices.ContainsFunc(missing, known) {
			missing = append(missing, d)
		}
	}
	return missing
}

func isLocal(repository string) bool {
	return repository == "" || strings.HasPrefix(repository, "file://")
}

// addLocal adds a dependency that is elsewhere in the tree.
func (c *Chart) addLocal(tree fs.FS, d *chart.Dependency) error {
	if d.Repository == "" {
		return errors.New("it names no repository and is not in the charts folder")
	}
	u, err := url.Parse(d.Repository)
	if err != nil {
		return errors.New("its repository is not a URL")
	}
	where := Confined(c.path, u.Host, u.Path)
	constraint, err := semver.NewConstraint(d.Version)
	if err != nil {
		return fmt.Errorf("invalid version/constraint format '%s': %w", clip(d.Version), err)
	}
	info, err := fs.Stat(tree, where)
	if err != nil {
		return fmt.Errorf("no chart found at '%s' (reference '%s')", clip(where), clip(d.Repository))
	}
	sub, err := c.loadSub(tree, where, info)
	if err != nil {
		return fmt.Errorf("failed to load chart from '%s' (reference '%s'): %w", clip(where), clip(d.Repository), err)
	}
	version, err := semver.NewVersion(sub.Metadata.Version)
	if err != nil {
		return fmt.Errorf("its version %q is none: %w", clip(sub.Metadata.Version), err)
	}
	if !constraint.Check(version) {
		return fmt.Errorf("can't get a valid version for constraint '%s'", clip(d.Version))
	}
	c.add(sub, d)
	return nil
}

// loadSub loads a subchart on the account of the chart.
func (c *Chart) loadSub(tree fs.FS, where string, info fs.FileInfo) (*chart.Chart, error) {
	if info.IsDir() {
		files, err := collect(tree, where, c.allowance)
		if err != nil {
			return nil, err
		}
		sub, err := load(files, c.allowance, where)
		if err != nil {
			return nil, err
		}
		return sub.chart, nil
	}
	if info.Size() > c.allowance.limits.Archive {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrTooLarge, c.allowance.limits.Archive)
	}
	archive, err := fs.ReadFile(tree, where)
	if err != nil {
		return nil, err
	}
	return c.loadArchive(archive)
}

func (c *Chart) loadArchive(archive []byte) (*chart.Chart, error) {
	files, err := unpack(archive, c.allowance)
	if err != nil {
		return nil, err
	}
	sub, err := load(files, c.allowance, "")
	if err != nil {
		return nil, err
	}
	return sub.chart, nil
}

// add makes a chart a subchart, by the name that the dependency has.
func (c *Chart) add(sub *chart.Chart, d *chart.Dependency) {
	if d.Alias != "" {
		sub.Metadata.Name = d.Alias
	}
	c.chart.AddDependency(sub)
}

// addRemote adds the dependencies of one repository.
func (c *Chart) addRemote(ctx context.Context, repository string, list []*chart.Dependency, repositories Repositories) error {
	wants := make([]Want, len(list))
	for i, d := range list {
		wants[i] = Want{d.Name, d.Version}
	}
	fail := func(err error) error {
		return fmt.Errorf("%w: failed to add remote dependency '%s': %w", ErrDependency, key(list[0]), err)
	}
	puller, err := repositories(ctx, repository)
	if err != nil {
		return fail(err)
	}
	archives, err := puller.Pull(ctx, wants, c.allowance.limits.Archive)
	if err != nil {
		return fail(err)
	}
	for i, d := range list {
		sub, err := c.loadArchive(archives[wants[i]])
		if err != nil {
			return fmt.Errorf("%w: failed to load dependency '%s': %w", ErrDependency, key(d), err)
		}
		c.add(sub, d)
	}
	return nil
}

// NormalizeURL returns the URL of a repository in the form in which two of them can
// be compared: with one slash at the end of its path, or with none for a registry.
// [ErrScheme] says that it is of another kind.
func NormalizeURL(repository string) (string, error) {
	u, err := url.Parse(repository)
	if err != nil {
		return "", fmt.Errorf("%w: %q", ErrURL, bareURL(nil))
	}
	end := "/"
	switch u.Scheme {
	case "oci":
		end = ""
	case "http", "https":
	default:
		return "", fmt.Errorf("%w of the repository %q", ErrScheme, clip(repository))
	}
	u.Path = strings.TrimRight(u.Path, "/") + end
	if u.RawPath != "" {
		u.RawPath = strings.TrimRight(u.RawPath, "/") + end
	}
	return u.String(), nil
}
