package clusters

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/kube"
)

// Sentinels of what leads to a cluster.
var (
	// ErrNoKubeconfig says that a Secret has none where it should.
	ErrNoKubeconfig = errors.New("no kubeconfig")
	// ErrProvider says that a ConfigMap names a provider that is not supported.
	ErrProvider = errors.New("provider not supported")
	// ErrObjectLevelDisabled says that a service account would be used although the
	// feature gate ObjectLevelWorkloadIdentity is off.
	ErrObjectLevelDisabled = errors.New("the ObjectLevelWorkloadIdentity feature gate is disabled")
	// ErrNoAccount says that no service account is named whose token could be used.
	ErrNoAccount = errors.New("no service account is named")
)

// route is how a cluster is reached.
type route struct {
	// key is the same for two routes only if they are.
	key    string
	config *rest.Config
	token  func(context.Context) (string, error) // nil if config has all credentials
}

// route reads what ref says.
func (c *Clusters) route(ctx context.Context, owner apply.Owner, ref api.KubeConfigReference) (route, error) {
	switch {
	case ref.SecretRef != nil && ref.ConfigMapRef == nil:
		return c.secretRoute(ctx, owner.Namespace, *ref.SecretRef)
	case ref.ConfigMapRef != nil && ref.SecretRef == nil:
		return c.configMapRoute(ctx, owner, ref.ConfigMapRef.Name)
	}
	return route{}, errors.New("exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified")
}

// secretRoute is that of a kubeconfig in a Secret.
func (c *Clusters) secretRoute(ctx context.Context, namespace string, ref api.SecretKeyReference) (route, error) {
	name := namespace + "/" + ref.Name
	data, _, err := c.cfg.Reader.Secret(ctx, namespace, ref.Name)
	if err != nil {
		return route{}, fmt.Errorf("unable to read KubeConfig secret '%s' error: %w", name, err)
	}
	content, key := data[ref.Key], ref.Key
	if key == "" {
		key = api.KubeConfigKeyValue
		content = data[key]
		if len(content) == 0 {
			content = data[api.KubeConfigKeyValueYAML]
		}
	}
	if len(content) == 0 {
		return route{}, fmt.Errorf("KubeConfig secret '%s' does not contain a '%s' key with a kubeconfig: %w", name, key, ErrNoKubeconfig)
	}
	config, err := kube.ParseKubeconfig(content, c.cfg.InsecureTLS)
	if err != nil {
		return route{}, fmt.Errorf("KubeConfig secret '%s': %w", name, err)
	}
	return route{key: digest("secret", string(content)), config: config}, nil
}

// configMapRoute is that of a ConfigMap that tells how to obtain a token.
func (c *Clusters) configMapRoute(ctx context.Context, owner apply.Owner, name string) (route, error) {
	namespace := owner.Namespace
	data, err := c.cfg.Reader.ConfigMap(ctx, namespace, name)
	if err != nil {
		return route{}, fmt.Errorf("unable to read KubeConfig configmap '%s/%s' error: %w", namespace, name, err)
	}
	r, err := c.providerRoute(ctx, owner, data)
	if err != nil {
		return route{}, fmt.Errorf("KubeConfig configmap '%s/%s': %w", namespace, name, err)
	}
	return r, nil
}

// providerRoute is that of a provider.
func (c *Clusters) providerRoute(ctx context.Context, owner apply.Owner, data map[string]string) (route, error) {
	name := data[api.KubeConfigKeyProvider]
	if cloud, ok := clouds[name]; ok {
		return c.cloudRoute(ctx, owner, cloud, data)
	}
	if name != "generic" {
		return route{}, fmt.Errorf("%s: %q: %w", api.KubeConfigKeyProvider, name, ErrProvider)
	}
	return c.tokenRoute(owner.Namespace, data)
}

// tokenRoute is that of the provider generic: a token of a service account of this
// cluster, which the other one accepts. The identity of the process is never lent:
// the address and the audiences are a tenant's, who could then act as the process.
func (c *Clusters) tokenRoute(namespace string, data map[string]string) (route, error) {
	address, err := addressOf(data[api.KubeConfigKeyAddress])
	if err != nil {
		return route{}, fmt.Errorf("%s: %w", api.KubeConfigKeyAddress, err)
	}
	account, err := c.account(namespace, data)
	switch {
	case err != nil:
		return route{}, err
	case account == "":
		return route{}, fmt.Errorf("%s: %w", api.KubeConfigKeyServiceAccountName, ErrNoAccount)
	}
	audiences := audiencesOf(data[api.KubeConfigKeyAudiences])
	if len(audiences) == 0 {
		audiences = []string{address}
	}
	authority := data[api.KubeConfigKeyCACert]
	config, err := configOf(identity.Endpoint{Address: address, CA: []byte(authority)})
	if err != nil {
		return route{}, err
	}
	who := claim{namespace, account, audiences}
	return route{
		key:    digest(slices.Concat([]string{"generic", address, authority, namespace, account}, audiences)...),
		config: config,
		token:  func(ctx context.Context) (string, error) { return c.tokens.token(ctx, who) },
	}, nil
}

// addressOf completes the address of an API server.
func addressOf(text string) (string, error) {
	if text == "" {
		return "", errors.New("it is empty")
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("it is not an https:// URL without user, query and fragment")
	}
	if u.Port() == "" {
		u.Host += ":443"
	}
	u.Host = strings.ToLower(u.Host)
	return u.String(), nil
}

// audiencesOf returns for whom a token is to be: a list in YAML, or one on each line.
func audiencesOf(text string) []string {
	var found []string
	if yaml.Unmarshal([]byte(text), &found) == nil {
		return found
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			found = append(found, line)
		}
	}
	return found
}

// digest returns a name for a list of texts. No two lists share one.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return string(h.Sum(nil))
}
