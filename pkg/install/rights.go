package install

import (
	"context"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kubernetes is which versions of it the definitions of Flux 2.9 are made for.
const Kubernetes = ">=1.33.0-0"

// Server asks the API server for its version, and whether that is one that fluxd is
// made for.
func (c *Cluster) Server(ctx context.Context) (version string, err error) {
	text, err := c.ServerVersion(ctx)
	if err != nil {
		return "", err
	}
	v, err := semver.NewVersion(text)
	if err != nil {
		return text, fmt.Errorf("the version of the API server, %q, is none: %w", text, err)
	}
	wanted, err := semver.NewConstraint(Kubernetes)
	if err != nil {
		return text, err
	}
	if !wanted.Check(v) {
		return v.String(), fmt.Errorf("the server is Kubernetes %s, and %s is needed", v, Kubernetes)
	}
	return v.String(), nil
}

// right is something that one may be allowed to do.
type right struct{ verb, group, resource string }

// String returns the right as kubectl auth can-i asks for it.
func (r right) String() string {
	if r.resource == "*" {
		return r.verb + " everything"
	}
	return r.verb + " " + strings.TrimSuffix(r.resource+"."+r.group, ".")
}

// installing are the rights that it takes to install: to write what is in deploy/. The
// ClusterRoleBinding hands out cluster-admin, which only who has all of it may do.
var installing = []right{
	{"create", "", "namespaces"},
	{"patch", "", "namespaces"},
	{"create", "apiextensions.k8s.io", "customresourcedefinitions"},
	{"patch", "apiextensions.k8s.io", "customresourcedefinitions"},
	{"create", "rbac.authorization.k8s.io", "clusterroles"},
	{"create", "rbac.authorization.k8s.io", "clusterrolebindings"},
	{"create", "", "serviceaccounts"},
	{"create", "", "secrets"},
	{"create", "apps", "deployments"},
	{"patch", "apps", "deployments"},
	{"*", "*", "*"},
}

var reviews = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}

// RightsError names the rights that the account lacks.
type RightsError struct{ Missing []string }

func (e *RightsError) Error() string {
	return "the account may not " + strings.Join(e.Missing, ", may not ") +
		"; installing takes the rights of cluster-admin"
}

// MayInstall asks whether the account has the rights that it takes to install, which is
// told by a [RightsError].
func (c *Cluster) MayInstall(ctx context.Context) error {
	var missing []string
	for _, r := range installing {
		ok, err := c.may(ctx, r)
		if err != nil {
			return err
		}
		if !ok {
			missing = append(missing, r.String())
		}
	}
	if len(missing) > 0 {
		return &RightsError{missing}
	}
	return nil
}

// may asks the API server. A review is an answer and not an object, so that a dry run
// asks as well.
func (c *Cluster) may(ctx context.Context, r right) (bool, error) {
	review := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": map[string]any{"verb": r.verb, "group": r.group, "resource": r.resource}},
	}}
	answer, err := c.Dynamic.Resource(reviews).Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask for the rights of the account: %w", err)
	}
	allowed, _, _ := unstructured.NestedBool(answer.Object, "status", "allowed")
	return allowed, nil
}
