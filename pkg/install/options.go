package install

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Options say how the manifests are to be. [DefaultOptions] are those of the folder
// deploy/.
type Options struct {
	// Namespace is where fluxd runs.
	Namespace string
	// Image names the image; a tag in it wins over Version. Registry replaces all of
	// the name but its last part.
	Image, Registry string
	// Version is the tag of the image.
	Version string
	// ImagePullSecret is the Secret to pull the image with.
	ImagePullSecret string
	LogLevel        string
	ClusterDomain   string
	// WatchAllNamespaces false looks after Namespace alone.
	WatchAllNamespaces bool
	// NetworkPolicy adds the policies that let others in to metrics alone.
	NetworkPolicy bool
	// TolerationKeys are those of taints that the Pod tolerates.
	TolerationKeys []string
	// Profiles are the components of deploy/ that are added, for tenants, small nodes
	// and so on; [Profiles] are their names.
	Profiles []string
}

const (
	// DefaultNamespace is where Flux runs unless somebody says otherwise.
	DefaultNamespace = "flux-system"
	// placeholder is the name of the image in deploy/.
	placeholder = "fluxd/fluxd"
	// defaultDomain is that of the names of Services.
	defaultDomain = "cluster.local"
)

// ErrNoTag says that an image has no tag. Clients of Flux read it.
var ErrNoTag = errors.New("no tag after the name")

// DefaultOptions returns the options of deploy/, with the image of a version.
func DefaultOptions(version string) Options {
	return Options{
		Namespace: DefaultNamespace, Image: placeholder, Version: version,
		LogLevel: "info", ClusterDomain: defaultDomain, WatchAllNamespaces: true, NetworkPolicy: true,
	}
}

// Register adds the flags of o, under the names that `flux install` has for them.
// The namespace is not among them: it is a flag of every command.
func (o *Options) Register(f *pflag.FlagSet) {
	f.StringVar(&o.Image, "image", o.Image, "name of the image, with or without a tag")
	f.StringVar(&o.Registry, "registry", o.Registry, "registry and folder of the image, in place of those of --image")
	f.StringVarP(&o.Version, "version", "v", o.Version, "tag of the image where --image has none")
	f.StringVar(&o.ImagePullSecret, "image-pull-secret", o.ImagePullSecret, "Secret in the namespace of fluxd to pull the image with")
	f.StringVar(&o.LogLevel, "log-level", o.LogLevel, "trace, debug, info or error")
	f.StringVar(&o.ClusterDomain, "cluster-domain", o.ClusterDomain, "domain of the Services of the cluster")
	f.BoolVar(&o.WatchAllNamespaces, "watch-all-namespaces", o.WatchAllNamespaces, "look after all namespaces; false means that of fluxd alone")
	f.BoolVar(&o.NetworkPolicy, "network-policy", o.NetworkPolicy, "keep others in the cluster from the Pod, but for metrics")
	f.StringSliceVar(&o.TolerationKeys, "toleration-keys", o.TolerationKeys, "keys of taints that the Pod tolerates")
	f.StringSliceVar(&o.Profiles, "profile", o.Profiles, "what the cluster is for: "+strings.Join(Profiles(), ", ")+" (repeatable)")
}

// Validate refuses what cannot work, by the name of the flag.
func (o Options) Validate() error {
	var bad []error
	refuse := func(flag, format string, args ...any) {
		bad = append(bad, fmt.Errorf("--%s: "+format, append([]any{flag}, args...)...))
	}
	if len(validation.IsDNS1123Label(o.Namespace)) > 0 {
		refuse("namespace", "%q is not the name of a namespace", o.Namespace)
	}
	if !slices.Contains([]string{"trace", "debug", "info", "error"}, o.LogLevel) {
		refuse("log-level", "%q is none of trace, debug, info, error", o.LogLevel)
	}
	if len(validation.IsDNS1123Subdomain(strings.TrimSuffix(o.ClusterDomain, "."))) > 0 {
		refuse("cluster-domain", "%q is not a domain", o.ClusterDomain)
	}
	if o.ImagePullSecret != "" && len(validation.IsDNS1123Subdomain(o.ImagePullSecret)) > 0 {
		refuse("image-pull-secret", "%q is not the name of a Secret", o.ImagePullSecret)
	}
	for _, key := range o.TolerationKeys {
		if len(validation.IsQualifiedName(key)) > 0 {
			refuse("toleration-keys", "%q is not the key of a taint", key)
		}
	}
	for i, name := range o.Profiles {
		switch {
		case !slices.Contains(Profiles(), name):
			refuse("profile", "%q is none of %s", name, strings.Join(Profiles(), ", "))
		case slices.Contains(o.Profiles[:i], name):
			refuse("profile", "%q is given twice", name)
		}
	}
	if _, err := o.Reference(); err != nil {
		bad = append(bad, err)
	}
	return errors.Join(bad...)
}

// reference is what an image may look like: name, then a tag, a digest, or both.
var reference = regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?$`)

// Reference returns the image with its tag.
func (o Options) Reference() (string, error) {
	image := o.Image
	if o.Registry != "" {
		image = strings.TrimSuffix(o.Registry, "/") + "/" + image[strings.LastIndex(image, "/")+1:]
	}
	bare, digest, _ := strings.Cut(image, "@")
	if !tagged(bare) {
		bare += ":" + o.Version
	}
	if digest != "" {
		bare += "@" + digest
	}
	if !tagged(bare) || !reference.MatchString(bare) {
		return "", fmt.Errorf("--image: %q: %w", bare, ErrNoTag)
	}
	return bare, nil
}

// tagged says whether an image without a digest has a tag.
func tagged(image string) bool {
	colon := strings.LastIndex(image, ":")
	return colon > strings.LastIndex(image, "/") && colon < len(image)-1
}

// Flags returns the flags by which o differs from the options of a version, in the
// form of a command line. [Options.Recall] reads them.
func (o Options) Flags(version string) []string {
	f, usual := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	o.Register(f)
	standard := DefaultOptions(version)
	standard.Register(usual)
	var flags []string
	f.VisitAll(func(flag *pflag.Flag) {
		value := strings.Trim(flag.Value.String(), "[]")
		if flag.Name != "version" && flag.Value.String() != usual.Lookup(flag.Name).Value.String() {
			flags = append(flags, "--"+flag.Name+"="+value)
		}
	})
	return flags
}

// Recall returns o with the flags of another time where given has not been told
// otherwise.
func (o Options) Recall(flags []string, given *pflag.FlagSet) (Options, error) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.ParseErrorsAllowlist.UnknownFlags = true // of a later version
	then := o
	then.Register(f)
	for _, flag := range flags {
		name, _, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if given != nil && given.Changed(name) {
			continue
		}
		if err := f.Parse([]string{flag}); err != nil {
			return o, fmt.Errorf("flags of the last time: %w", err)
		}
	}
	return then, nil
}
