package controlplane

import (
	"context"
	"fmt"
	"net/http"
)

func (c *ControlPlane) apiServerReady(ctx context.Context) error {
	return c.admin.do(ctx, http.MethodGet, "/readyz", nil, nil)
}

func (c *ControlPlane) defaultAccountExists(ctx context.Context) error {
	return c.admin.do(ctx, http.MethodGet, "/api/v1/namespaces/default/serviceaccounts/default", nil, nil)
}

// nodesReady asks that every node is there, ready, and open to Pods.
func (c *ControlPlane) nodesReady(ctx context.Context) error {
	var list struct {
		Items []struct {
			Spec   struct{ Taints []struct{ Key string } }
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := c.admin.do(ctx, http.MethodGet, "/api/v1/nodes", nil, &list); err != nil {
		return err
	}
	open := 0
	for _, node := range list.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" && len(node.Spec.Taints) == 0 {
				open++
			}
		}
	}
	if want := c.plan.options.Nodes; open < want {
		return fmt.Errorf("%d of %d nodes are ready", open, want)
	}
	return nil
}

// bind gives user the role cluster-admin, if it should have it.
func (c *ControlPlane) bind(ctx context.Context, user User) error {
	if !user.Admin {
		return nil
	}
	const group = "rbac.authorization.k8s.io"
	return c.admin.do(ctx, http.MethodPost, "/apis/"+group+"/v1/clusterrolebindings", map[string]any{
		"apiVersion": group + "/v1",
		"kind":       "ClusterRoleBinding",
		"metadata":   map[string]any{"name": "fluxd-test:" + user.Name},
		"roleRef":    map[string]any{"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
		"subjects":   []any{map[string]any{"apiGroup": group, "kind": "User", "name": user.Name}},
	}, nil)
}
