package kube

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Subject is who somebody is to the API server.
type Subject struct {
	User   string              `json:"user"`
	UID    string              `json:"uid,omitempty"`
	Groups []string            `json:"groups,omitempty"`
	Extra  map[string][]string `json:"extra,omitempty"`
}

// Action is what somebody wants to do with one object, or with all of a kind if Name
// is empty.
type Action struct {
	Verb        string `json:"verb"`
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
}

// Reviewer asks the API server who somebody is and what they may. It takes the right
// to create TokenReviews and SubjectAccessReviews.
type Reviewer struct{ authentication, authorization rest.Interface }

// NewReviewer returns a reviewer with the identity of c. No request is made.
func NewReviewer(c *Clients) (*Reviewer, error) {
	authentication, err := c.rest(schema.GroupVersion{Group: "authentication.k8s.io", Version: "v1"})
	if err != nil {
		return nil, err
	}
	authorization, err := c.rest(schema.GroupVersion{Group: "authorization.k8s.io", Version: "v1"})
	return &Reviewer{authentication, authorization}, err
}

// Token returns whose a bearer token is, and whether it is one that the API server
// accepts. The token is in no error.
func (r *Reviewer) Token(ctx context.Context, token string) (who Subject, valid bool, err error) {
	var answer struct {
		Status struct {
			Authenticated bool `json:"authenticated"`
			User          struct {
				Username string              `json:"username"`
				UID      string              `json:"uid"`
				Groups   []string            `json:"groups"`
				Extra    map[string][]string `json:"extra"`
			} `json:"user"`
		} `json:"status"`
	}
	err = review(ctx, r.authentication, "tokenreviews", "authentication.k8s.io/v1", "TokenReview", map[string]any{"token": token}, &answer)
	u := answer.Status.User
	return Subject{User: u.Username, UID: u.UID, Groups: u.Groups, Extra: u.Extra}, err == nil && answer.Status.Authenticated && u.Username != "", err
}

// Allowed says whether somebody may do something.
func (r *Reviewer) Allowed(ctx context.Context, who Subject, a Action) (bool, error) {
	spec := struct {
		Subject
		Action Action `json:"resourceAttributes"`
	}{who, a}
	var answer struct {
		Status struct {
			Allowed bool `json:"allowed"`
			Denied  bool `json:"denied"`
		} `json:"status"`
	}
	err := review(ctx, r.authorization, "subjectaccessreviews", "authorization.k8s.io/v1", "SubjectAccessReview", spec, &answer)
	return err == nil && answer.Status.Allowed && !answer.Status.Denied, err
}

// review creates an object that is its own answer.
func review(ctx context.Context, client rest.Interface, resource, apiVersion, kind string, spec, into any) error {
	request, err := json.Marshal(map[string]any{"apiVersion": apiVersion, "kind": kind, "spec": spec})
	if err != nil {
		return fmt.Errorf("ask for a %s: %w", kind, err)
	}
	body, err := client.Post().Resource(resource).SetHeader("Content-Type", "application/json").Body(request).Do(ctx).Raw()
	if err != nil {
		return fmt.Errorf("ask for a %s: %w", kind, err)
	}
	if json.Unmarshal(body, into) != nil {
		return fmt.Errorf("ask for a %s: malformed answer of the API server", kind)
	}
	return nil
}
