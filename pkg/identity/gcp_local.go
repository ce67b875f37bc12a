package identity

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// metadata returns a call to the metadata server of the machine:
// https://cloud.google.com/compute/docs/metadata/querying-metadata
func (a *asking) metadata(doing, path string) call {
	host := a.options.Env("GCE_METADATA_HOST")
	if host == "" {
		host = "169.254.169.254"
	}
	return call{
		doing: doing, url: "http://" + host + "/computeMetadata/v1/" + path, local: true,
		header: map[string]string{"Metadata-Flavor": "Google"}, flavor: [2]string{"Metadata-Flavor", "Google"},
	}
}

// gcpMachine returns a token of the account that the machine, or on GKE the Pod,
// runs as.
func (a *asking) gcpMachine(ctx context.Context) (Token, error) {
	query := url.Values{"scopes": {strings.Join(gcpScopes(), ",")}}
	return a.bearer(ctx, a.metadata("get a token of the machine's account", "instance/service-accounts/default/token?"+query.Encode()))
}

// cluster is where in GKE the process runs.
type cluster struct{ project, location, name string }

// pool is the issuer of identities of the cluster.
func (c cluster) pool() string { return c.project + ".svc.id.goog" }

// provider is the audience under which the token service knows the cluster.
func (c cluster) provider() string {
	return fmt.Sprintf("identitynamespace:%s:https://container.googleapis.com/v1/projects/%s/locations/%s/clusters/%s",
		c.pool(), c.project, c.location, c.name)
}

// gkeCluster finds out in which cluster the process runs, which never changes.
func (a *asking) gkeCluster(ctx context.Context) (cluster, error) {
	found, err := a.facts.get(ctx, "gke", Object{}, func(ctx context.Context) (any, time.Time, error) {
		found, err := a.askGKE(ctx)
		return found, a.options.Now().Add(2 * maxCacheTime), err
	})
	if err != nil {
		return cluster{}, err
	}
	return found.(cluster), nil
}

func (a *asking) askGKE(ctx context.Context) (cluster, error) {
	const doing = "find out which GKE cluster this is"
	var facts [3]string
	for i, path := range []string{"project/project-id", "instance/attributes/cluster-location", "instance/attributes/cluster-name"} {
		value, err := a.answerOf(ctx, a.metadata(doing, path))
		if err != nil {
			return cluster{}, err
		}
		if facts[i] = strings.TrimSpace(string(value)); !matches(`^[a-zA-Z0-9.:-]{1,200}$`, facts[i]) {
			return cluster{}, fmt.Errorf("%s: %s is not usable", doing, path)
		}
	}
	return cluster{project: facts[0], location: facts[1], name: facts[2]}, nil
}
