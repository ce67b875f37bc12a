package kube

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Reader reads Secrets, ConfigMaps and ServiceAccounts live. It keeps nothing
// of them.
type Reader struct{ core rest.Interface }

// NewReader returns a reader with the identity of c.
func NewReader(c *Clients) (*Reader, error) {
	core, err := c.rest(schema.GroupVersion{Version: "v1"})
	if err != nil {
		return nil, err
	}
	return &Reader{core}, nil
}

// Secret returns the data and the type of a Secret. The error of a missing one
// satisfies IsNotFound of the API errors package.
func (r *Reader) Secret(ctx context.Context, namespace, name string) (data map[string][]byte, kind string, err error) {
	var secret struct {
		Type string            `json:"type"`
		Data map[string][]byte `json:"data"`
	}
	if err := r.get(ctx, "secrets", namespace, name, &secret); err != nil {
		return nil, "", err
	}
	return secret.Data, secret.Type, nil
}

// ConfigMap returns the text entries of a ConfigMap. The error of a missing
// one satisfies IsNotFound of the API errors package.
func (r *Reader) ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error) {
	var configMap struct {
		Data map[string]string `json:"data"`
	}
	if err := r.get(ctx, "configmaps", namespace, name, &configMap); err != nil {
		return nil, err
	}
	return configMap.Data, nil
}

// ServiceAccount returns the annotations of a ServiceAccount and whether there is
// one.
func (r *Reader) ServiceAccount(ctx context.Context, namespace, name string) (annotations map[string]string, found bool, err error) {
	var account struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	err = r.get(ctx, "serviceaccounts", namespace, name, &account)
	if apierrors.IsNotFound(err) {
		return nil, false, nil
	}
	return account.Metadata.Annotations, err == nil, err
}

// PullSecrets returns the names of the image pull secrets of a ServiceAccount, and
// whether there is one.
func (r *Reader) PullSecrets(ctx context.Context, namespace, name string) (secrets []string, found bool, err error) {
	var account struct {
		Secrets []struct {
			Name string `json:"name"`
		} `json:"imagePullSecrets"`
	}
	err = r.get(ctx, "serviceaccounts", namespace, name, &account)
	if apierrors.IsNotFound(err) {
		return nil, false, nil
	}
	for _, one := range account.Secrets {
		secrets = append(secrets, one.Name)
	}
	return secrets, err == nil, err
}

// ServiceAccountToken returns a new token of a ServiceAccount that is meant for the
// given audiences. It is good for as long as the server makes it.
func (r *Reader) ServiceAccountToken(ctx context.Context, namespace, name string, audiences []string) (string, error) {
	request, err := json.Marshal(map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{"audiences": audiences},
	})
	if err != nil {
		return "", fmt.Errorf("request a token: %w", err)
	}
	body, err := r.core.Post().Namespace(namespace).Resource("serviceaccounts").Name(name).SubResource("token").
		SetHeader("Content-Type", "application/json").Body(request).Do(ctx).Raw()
	if err != nil {
		return "", err
	}
	var answer struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Status.Token == "" {
		return "", fmt.Errorf("request a token of %s/%s: malformed answer of the API server", namespace, name)
	}
	return answer.Status.Token, nil
}

func (r *Reader) get(ctx context.Context, resource, namespace, name string, into any) error {
	body, err := r.core.Get().Namespace(namespace).Resource(resource).Name(name).Do(ctx).Raw()
	if apierrors.IsNotFound(err) {
		return apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		// The decoder's text may quote the body, which may be a Secret.
		return fmt.Errorf("decode %s %s/%s: malformed answer of the API server", resource, namespace, name)
	}
	return nil
}
