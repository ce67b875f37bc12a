package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/install"
)

// settings are the options of the process, and those of the kinds of each Flux
// controller. They differ by what the Deployments of these controllers say, where such
// are on the cluster: the documentation of Flux has people patch them, to lock tenants
// down for instance, and a patch that nobody heeds is worse than one that fails.
type settings struct {
	process, sources, kustomize, helm *options
	// from are the controllers that they come from.
	from []spoken
	// notes tell what could not be heeded although it changes nothing that is safe or
	// not.
	notes []string
}

// alone returns the settings where no controller says anything.
func (o *options) alone() settings { return settings{process: o, sources: o, kustomize: o, helm: o} }

// String returns all that the settings consist of, for comparisons.
func (s settings) String() string {
	var out strings.Builder
	for _, o := range []*options{s.process, s.sources, s.kustomize, s.helm} {
		if o.given == nil {
			continue
		}
		o.given.VisitAll(func(flag *pflag.Flag) {
			if flag.Name != "cache-dir" { // whether it can be used is found out later
				fmt.Fprintf(&out, "--%s=%s\n", flag.Name, flag.Value)
			}
		})
	}
	return out.String()
}

// reach says for whom an argument of a Flux controller counts.
type reach int

const (
	// itself: the kinds of that controller.
	itself reach = iota + 1
	// process: fluxd as a whole, if all controllers that have it say the same.
	process
	// alike: fluxd has to be told the same, or something of the kind. To heed it would be
	// to overrule fluxd's own, and what is at stake is which objects are looked after.
	alike
)

// reaches has every flag of the Flux controllers that is heeded. The rest counts for
// nobody: it is about what fluxd does not have, or has for itself.
var reaches = map[string]reach{
	"no-cross-namespace-refs": itself, "no-remote-bases": itself,
	"default-service-account": itself, "default-kubeconfig-service-account": itself, "default-decryption-service-account": itself,
	"insecure-kubeconfig-exec": itself, "insecure-kubeconfig-tls": itself,
	"concurrent": itself, "concurrent-ssa": itself, "requeue-dependency": itself,
	"override-manager": itself, "custom-apply-stage-kinds": itself,
	"sops-age-secret": itself, "sops-vault-configmap": itself,
	"helm-index-max-size": itself, "helm-chart-max-size": itself, "helm-chart-file-max-size": itself,
	"ssh-kex-algos": itself, "ssh-hostkey-algos": itself, "snapshot-digest-algo": itself, "feature-gates": itself,

	"min-retry-delay": process, "max-retry-delay": process, "interval-jitter-percentage": process,
	"watch-configs-label-selector": process, "http-retry": process,
	"token-cache-max-size": process, "token-cache-max-duration": process,
	"oom-watch-interval": process, "oom-watch-memory-threshold": process,
	"oom-watch-max-memory-path": process, "oom-watch-current-memory-path": process,

	"watch-all-namespaces": alike, "watch-label-selector": alike,
}

// spoken is what a Flux controller says, as flags of fluxd.
type spoken struct {
	install.Controller
	options *options
}

// listen reads the arguments of a controller. What fluxd does not know, or refuses, is
// an error: the controller would not start with it, or fluxd would do less than was
// asked for.
func listen(c install.Controller) (spoken, error) {
	o, err := understand(c)
	if err != nil {
		return spoken{}, fmt.Errorf("the arguments of the Deployment %s, which is not started but heeded: %w", c, err)
	}
	return spoken{c, o}, nil
}

// hear is [listen] of a controller that fluxd can go by.
func (o *options) hear(c install.Controller) (spoken, error) {
	s, err := listen(c)
	if err == nil {
		err = o.alike(s)
	}
	return s, err
}

// understand reads arguments as fluxd would, in the namespace of the Deployment that they
// stand in.
func understand(c install.Controller) (*options, error) {
	o := defaults()
	o.namespace = c.Namespace
	f := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	o.register(f)
	if err := f.Parse(c.Args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	return o, o.validate()
}

// said calls f with every argument of some reach.
func (s spoken) said(who reach, f func(*pflag.Flag)) {
	s.options.given.Visit(func(flag *pflag.Flag) {
		if reaches[flag.Name] == who {
			f(flag)
		}
	})
}

// heed returns the settings that follow from the options and from what the controllers
// say. What fluxd itself was told counts most.
func (o *options) heed(controllers []install.Controller) (settings, error) {
	if len(controllers) == 0 {
		return o.alone(), nil
	}
	var all []spoken
	var bad []error
	for _, c := range controllers {
		s, err := o.hear(c)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		all = append(all, s)
	}
	if len(bad) > 0 {
		return settings{}, errors.Join(bad...)
	}
	out := settings{from: all}
	var shared []*pflag.Flag
	shared, out.notes = agreed(all)
	for name, options := range map[string]**options{
		"": &out.process, api.ComponentSource: &out.sources,
		api.ComponentKustomize: &out.kustomize, api.ComponentHelm: &out.helm,
	} {
		own := slices.Clone(shared)
		for _, s := range all {
			if s.Name == name {
				s.said(itself, func(flag *pflag.Flag) { own = append(own, flag) })
			}
		}
		made, err := o.with(own)
		if err != nil {
			return settings{}, fmt.Errorf("fluxd with the arguments of %s: %w", name, err)
		}
		*options = made
	}
	return out, nil
}

// alike refuses a controller that is told to look after some objects while fluxd looks
// after all.
func (o *options) alike(s spoken) error {
	var bad []error
	for name, who := range reaches {
		if who != alike || o.given == nil {
			continue
		}
		theirs, ours := s.options.given.Lookup(name), o.given.Lookup(name)
		if theirs.Value.String() != theirs.DefValue && ours.Value.String() == ours.DefValue {
			bad = append(bad, fmt.Errorf("the Deployment %s has --%s=%s and fluxd --%s=%s: give it to fluxd as well, or it would look after more",
				s, name, theirs.Value, name, ours.Value))
		}
	}
	return errors.Join(bad...)
}

// agreed returns what the controllers say of the process as a whole, where none of them
// contradicts another, and tells where one does. Gates count one by one.
func agreed(all []spoken) (flags []*pflag.Flag, notes []string) {
	values := make(map[string][]*pflag.Flag)
	gated := make(map[string]map[bool]bool)
	for _, s := range all {
		s.said(process, func(flag *pflag.Flag) {
			same := func(other *pflag.Flag) bool { return other.Value.String() == flag.Value.String() }
			if !slices.ContainsFunc(values[flag.Name], same) {
				values[flag.Name] = append(values[flag.Name], flag)
			}
		})
		for name, on := range s.options.gates {
			if gated[name] == nil {
				gated[name] = make(map[bool]bool)
			}
			gated[name][on] = true
		}
	}
	for name, found := range values {
		if len(found) > 1 {
			notes = append(notes, fmt.Sprintf("--%s: the Flux controllers disagree, and fluxd has one for all: give it to the Deployment of fluxd", name))
			continue
		}
		flags = append(flags, found[0])
	}
	common := gates{}
	for name, values := range gated {
		if len(values) == 1 {
			common[name] = values[true]
		}
	}
	if len(common) > 0 {
		flags = append(flags, &pflag.Flag{Name: "feature-gates", Value: &common})
	}
	slices.Sort(notes)
	return flags, notes
}

// with returns options with the given flags, over which those count that fluxd itself
// was told.
func (o *options) with(flags []*pflag.Flag) (*options, error) {
	made := defaults()
	made.namespace = o.namespace
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	made.register(f)
	if o.given != nil {
		o.given.Visit(func(flag *pflag.Flag) {
			if f.Lookup(flag.Name) != nil { // one of run
				flags = append(flags, flag)
			}
		})
	}
	for _, flag := range flags {
		if err := carry(f, flag); err != nil {
			return nil, fmt.Errorf("--%s: %w", flag.Name, err)
		}
	}
	return made, made.validate()
}

// carry sets a flag to the value of another one of its name.
func carry(to *pflag.FlagSet, flag *pflag.Flag) error {
	value := to.Lookup(flag.Name).Value
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		if err := value.(pflag.SliceValue).Replace(list.GetSlice()); err != nil {
			return err
		}
		to.Lookup(flag.Name).Changed = true
		return nil
	}
	return to.Set(flag.Name, flag.Value.String())
}

// heeded tells of each controller that says something which counts, as a command line.
func (s settings) heeded(tell func(c install.Controller, args string)) {
	for _, c := range s.from {
		var args []string
		for _, who := range []reach{itself, process} {
			c.said(who, func(flag *pflag.Flag) { args = append(args, "--"+flag.Name+"="+flag.Value.String()) })
		}
		if len(args) > 0 {
			tell(c.Controller, strings.Join(args, " "))
		}
	}
}
