package identity

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	aksPattern = `(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]{0,89}[\w()-]/providers/Microsoft\.ContainerService/managedClusters/[a-z0-9][\w-]{0,99}$`
	// scopeAKS is the application that all clusters of AKS are, and scopeARM that by
	// which resources are managed.
	scopeAKS   = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
	scopeARM   = "https://management.azure.com/.default"
	armURL     = "https://management.azure.com"
	aksVersion = "?api-version=2024-09-01"
)

// aks asks where a cluster is, and whether it knows identities at all:
// https://learn.microsoft.com/rest/api/aks/managed-clusters/list-cluster-user-credentials
func (a *asking) aks(ctx context.Context, id string) ([]Endpoint, error) {
	token, err := a.azureToken(ctx, scopeARM)
	if err != nil {
		return nil, err
	}
	ask := func(method, doing, path string, into any) error {
		return a.decode(ctx, call{
			doing: doing + " " + id, method: method, url: armURL + (&url.URL{Path: id + path}).EscapedPath() + aksVersion,
			header: map[string]string{"Authorization": "Bearer " + token.Value}, problem: armProblem, secrets: []string{token.Value},
		}, into)
	}
	var cluster struct {
		Properties struct {
			AADProfile map[string]any `json:"aadProfile"`
		} `json:"properties"`
	}
	if err := ask(http.MethodGet, "describe the AKS cluster", "", &cluster); err != nil {
		return nil, err
	}
	if cluster.Properties.AADProfile == nil {
		return nil, fmt.Errorf("%w: the AKS cluster %s has no integration with Microsoft Entra ID, which it needs: "+
			"https://learn.microsoft.com/azure/aks/enable-authentication-microsoft-entra-id", ErrConfig, id)
	}
	var answer struct {
		Kubeconfigs []struct {
			Value []byte `json:"value"`
		} `json:"kubeconfigs"`
	}
	if err := ask(http.MethodPost, "list the credentials of the AKS cluster", "/listClusterUserCredential", &answer); err != nil {
		return nil, err
	}
	var found []Endpoint
	for _, k := range answer.Kubeconfigs {
		endpoint, err := endpointOf(k.Value)
		if err != nil {
			return nil, fmt.Errorf("list the credentials of the AKS cluster %s: %w", id, err)
		}
		found = append(found, endpoint)
	}
	return found, nil
}

// endpointOf returns the cluster of the current context of a kubeconfig.
func endpointOf(kubeconfig []byte) (Endpoint, error) {
	var file struct {
		Current  string `json:"current-context"`
		Contexts []struct {
			Name    string `json:"name"`
			Context struct {
				Cluster string `json:"cluster"`
			} `json:"context"`
		} `json:"contexts"`
		Clusters []struct {
			Name    string `json:"name"`
			Cluster struct {
				Server string `json:"server"`
				CA     []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
	}
	if yaml.Unmarshal(kubeconfig, &file) == nil {
		for _, context := range file.Contexts {
			for _, cluster := range file.Clusters {
				if context.Name == file.Current && context.Context.Cluster == cluster.Name && cluster.Cluster.Server != "" {
					return Endpoint{cluster.Cluster.Server, cluster.Cluster.CA}, nil
				}
			}
		}
	}
	return Endpoint{}, fmt.Errorf("the answer has no kubeconfig with a cluster")
}

// armProblem returns the code and message of an error of the resource manager.
func armProblem(body []byte) string {
	object := member(body, "error")
	return strings.TrimPrefix(field(object, "code")+": "+field(object, "message"), ": ")
}
