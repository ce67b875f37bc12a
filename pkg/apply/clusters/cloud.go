package clusters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/kube"
)

// ErrAddress says that a cluster of a cloud is not where a ConfigMap says.
var ErrAddress = errors.New("the cluster is not at this address")

// clouds are the providers whose clusters are known by name.
var clouds = map[string]identity.Provider{"aws": identity.AWS, "azure": identity.Azure, "gcp": identity.GCP}

// account returns whose identity leads to a cluster, as a ConfigMap says, empty for
// that of the process.
func (c *Clusters) account(namespace string, data map[string]string) (string, error) {
	account := cmp.Or(data[api.KubeConfigKeyServiceAccountName], c.cfg.DefaultKubeconfigAccount)
	if account == "" {
		return "", nil
	}
	if !c.cfg.ObjectLevel {
		return "", fmt.Errorf("%s: %w", api.KubeConfigKeyServiceAccountName, ErrObjectLevelDisabled)
	}
	if _, err := kube.AccountUser(namespace, account); err != nil {
		return "", fmt.Errorf("%s: %w", api.KubeConfigKeyServiceAccountName, err)
	}
	return account, nil
}

// cloudRoute is that to a cluster of a cloud, as somebody whom the cloud knows: the
// service account that is named, or else the process.
//
// A tenant may send the tokens of its own account where it likes. Those of the process
// go only where the cloud itself says that the cluster is, whatever the ConfigMap says.
func (c *Clusters) cloudRoute(ctx context.Context, owner apply.Owner, p identity.Provider, data map[string]string) (route, error) {
	account, err := c.account(owner.Namespace, data)
	if err != nil {
		return route{}, err
	}
	name := data[api.KubeConfigKeyCluster]
	who := identity.Request{
		Provider: p, Namespace: owner.Namespace, Audiences: audiencesOf(data[api.KubeConfigKeyAudiences]),
		ServiceAccount: data[api.KubeConfigKeyServiceAccountName], DefaultAccount: c.cfg.DefaultKubeconfigAccount,
		For: identity.Object{Kind: c.cfg.Kind, Namespace: owner.Namespace, Name: owner.Name, Operation: "fetch_kubeconfig"},
	}
	at := identity.Endpoint{CA: []byte(data[api.KubeConfigKeyCACert])}
	if address := data[api.KubeConfigKeyAddress]; address != "" {
		if at.Address, err = addressOf(address); err != nil {
			return route{}, fmt.Errorf("%s: %w", api.KubeConfigKeyAddress, err)
		}
	}
	if p == identity.AWS || account == "" || at.Address == "" || len(at.CA) == 0 {
		if err := identity.CheckCluster(p, name); err != nil {
			return route{}, fmt.Errorf("%s: %w", api.KubeConfigKeyCluster, err)
		}
	}
	if account == "" || at.Address == "" || len(at.CA) == 0 {
		if at, err = c.locate(ctx, who, account, name, at); err != nil {
			return route{}, err
		}
	}
	config, err := configOf(at)
	if err != nil {
		return route{}, err
	}
	key := []string{"cloud", string(p), name, at.Address, string(at.CA), account}
	if account != "" {
		key = slices.Concat(key, []string{owner.Namespace}, who.Audiences)
	}
	return route{
		key: digest(key...), config: config,
		token: func(ctx context.Context) (string, error) {
			token, err := c.cfg.Clouds.ClusterToken(ctx, who, name)
			return token.Value, err
		},
	}, nil
}

// configOf returns the connection to an API server, without credentials.
func configOf(at identity.Endpoint) (*rest.Config, error) {
	config := &rest.Config{Host: at.Address, TLSClientConfig: rest.TLSClientConfig{CAData: at.CA}}
	if _, err := rest.TLSConfigFor(config); err != nil {
		return nil, fmt.Errorf("%s: it is no certificate in PEM", api.KubeConfigKeyCACert)
	}
	return config, nil
}

// locate asks a cloud where a cluster is, and completes what is known already. As the
// process, only the answer counts.
func (c *Clusters) locate(ctx context.Context, who identity.Request, account, name string, known identity.Endpoint) (identity.Endpoint, error) {
	found, err := c.asked.ask(digest(string(who.Provider), name, who.Namespace, account), func() ([]identity.Endpoint, error) {
		return c.cfg.Clouds.Endpoints(ctx, who, name)
	})
	if err != nil {
		return known, err
	}
	var addresses []string
	for _, one := range found {
		if one.Address, err = addressOf(one.Address); err != nil {
			return known, fmt.Errorf("where the cloud says that %s is: %w", name, err)
		}
		addresses = append(addresses, one.Address)
		if known.Address != "" && one.Address != known.Address {
			continue
		}
		if len(known.CA) > 0 && account != "" {
			one.CA = known.CA
		}
		return one, nil
	}
	return known, fmt.Errorf("%s: %w: %s, but at %s", api.KubeConfigKeyAddress, ErrAddress, known.Address, strings.Join(addresses, ", "))
}
