package identity

import (
	"context"
	"fmt"
	"time"
)

// Endpoint is an API server of a Kubernetes cluster.
type Endpoint struct {
	// Address is a URL, or only its host.
	Address string
	// CA are the certificates that vouch for it, in PEM.
	CA []byte
}

// clusterLife is how long it is believed where a cluster is.
const clusterLife = 15 * time.Minute

// forms are those of the full names of clusters, by provider.
var forms = map[Provider]string{AWS: eksPattern, Azure: aksPattern, GCP: gkePattern}

// CheckCluster refuses what is not the full name of a Kubernetes cluster of a cloud:
// the ARN of one of EKS, the resource ID of one of AKS, the path of one of GKE. The
// error is [ErrConfig].
func CheckCluster(p Provider, name string) error {
	if form, ok := forms[p]; !ok || !matches(form, name) {
		return fmt.Errorf("%w: '%s' is not a cluster of the provider %s. must match %s", ErrConfig, plain(name), p, forms[p])
	}
	return nil
}

// Endpoints returns where a cluster is, in the words of its cloud. There is at least
// one.
func (c *Clouds) Endpoints(ctx context.Context, r Request, cluster string) ([]Endpoint, error) {
	a, err := c.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := CheckCluster(r.Provider, cluster); err != nil {
		return nil, err
	}
	find := map[Provider]func(context.Context, string) ([]Endpoint, error){AWS: a.eks, Azure: a.aks, GCP: a.gke}[r.Provider]
	return obtain(ctx, a, a.key("endpoints", cluster), func(ctx context.Context) ([]Endpoint, time.Time, error) {
		found, err := find(ctx, cluster)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("find out where %s is: it has no API server yet", cluster)
		}
		return found, a.options.Now().Add(clusterLife), err
	})
}

// ClusterToken returns a token that the API server of a cluster takes for whom r is
// about. Only that of AWS is for the one cluster; the others do not look at its name.
func (c *Clouds) ClusterToken(ctx context.Context, r Request, cluster string) (Token, error) {
	a, err := c.ask(ctx, r)
	if err != nil {
		return Token{}, err
	}
	switch r.Provider {
	case AWS:
		return a.eksToken(ctx, cluster)
	case Azure:
		return a.azureToken(ctx, scopeAKS)
	default:
		return a.gcpToken(ctx)
	}
}
