package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Records reads and writes whole Secrets, for records that are kept in them. What
// does not need their data is asked for without, also of the answers to writes.
// Errors do not quote data.
type Records struct{ core rest.Interface }

// NewRecords returns records with the identity of c.
func NewRecords(c *Clients) (*Records, error) {
	core, err := c.rest(schema.GroupVersion{Version: "v1"})
	if err != nil {
		return nil, err
	}
	return &Records{core}, nil
}

const (
	onlyMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	onlyNames    = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// List returns the metadata of the Secrets that a label selector selects.
func (s *Records) List(ctx context.Context, namespace, selector string) ([]metav1.PartialObjectMetadata, error) {
	body, err := send(ctx, s.core.Get().Namespace(namespace).Resource("secrets").Param("labelSelector", selector).
		SetHeader("Accept", onlyNames))
	if err != nil {
		return nil, err
	}
	var list metav1.PartialObjectMetadataList
	if json.Unmarshal(body, &list) != nil {
		return nil, fmt.Errorf("list secrets in %s: malformed answer of the API server", namespace)
	}
	return list.Items, nil
}

// Get returns a Secret. The error of a missing one satisfies IsNotFound of the API
// errors package.
func (s *Records) Get(ctx context.Context, namespace, name string) (*metav1.PartialObjectMetadata, map[string][]byte, error) {
	body, err := send(ctx, s.core.Get().Namespace(namespace).Resource("secrets").Name(name))
	if err != nil {
		return nil, nil, err
	}
	var secret struct {
		metav1.PartialObjectMetadata
		Data map[string][]byte `json:"data"`
	}
	if json.Unmarshal(body, &secret) != nil {
		return nil, nil, malformed(namespace, name)
	}
	return &secret.PartialObjectMetadata, secret.Data, nil
}

// Create creates the Secret that a document in JSON describes.
func (s *Records) Create(ctx context.Context, namespace string, document []byte) (*metav1.PartialObjectMetadata, error) {
	return s.write(ctx, s.core.Post().Namespace(namespace).Resource("secrets").SetHeader("Content-Type", "application/json"), document)
}

// Update replaces a Secret by a document in JSON, whose resourceVersion, if it has
// one, must be that of the Secret.
func (s *Records) Update(ctx context.Context, namespace, name string, document []byte) (*metav1.PartialObjectMetadata, error) {
	r := s.core.Put().Namespace(namespace).Resource("secrets").Name(name).SetHeader("Content-Type", "application/json")
	return s.write(ctx, r, document)
}

// Patch sends a merge patch.
func (s *Records) Patch(ctx context.Context, namespace, name string, patch []byte) (*metav1.PartialObjectMetadata, error) {
	return s.write(ctx, s.core.Patch(types.MergePatchType).Namespace(namespace).Resource("secrets").Name(name), patch)
}

// Delete deletes a Secret if it is the one that p describes.
func (s *Records) Delete(ctx context.Context, namespace, name string, p metav1.Preconditions) error {
	options, err := json.Marshal(metav1.DeleteOptions{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"}, Preconditions: &p,
	})
	if err != nil {
		return fmt.Errorf("delete secret %s/%s: %w", namespace, name, err)
	}
	_, err = send(ctx, s.core.Delete().Namespace(namespace).Resource("secrets").Name(name).
		SetHeader("Content-Type", "application/json").Body(options))
	return err
}

func (s *Records) write(ctx context.Context, r *rest.Request, body []byte) (*metav1.PartialObjectMetadata, error) {
	answer, err := send(ctx, r.SetHeader("Accept", onlyMetadata).Body(body))
	if err != nil {
		return nil, err
	}
	var written metav1.PartialObjectMetadata
	if json.Unmarshal(answer, &written) != nil {
		return nil, errors.New("write a secret: malformed answer of the API server")
	}
	return &written, nil
}

// send returns the body of the answer, or the error with the API server's words in it.
func send(ctx context.Context, r *rest.Request) ([]byte, error) {
	result := r.Do(ctx)
	if err := result.Error(); err != nil {
		return nil, discreet(err)
	}
	return result.Raw()
}

// malformed has no text of the decoder, which may quote the body.
func malformed(namespace, name string) error {
	return fmt.Errorf("decode secret %s/%s: malformed answer of the API server", namespace, name)
}

// discreet returns err without what may quote a Secret: of one that is invalid, which
// fields are; of one that a webhook denies, that it does.
func discreet(err error) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return err
	}
	cut := status.ErrStatus
	head, _, denied := strings.Cut(cut.Message, "denied the request")
	switch {
	case denied:
		cut.Message = head + "denied the request"
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		var invalid []string
		if cut.Details != nil {
			for _, c := range cut.Details.Causes {
				why, _, _ := strings.Cut(c.Message, ":")
				invalid = append(invalid, c.Field+": "+why)
			}
			cut.Details = &metav1.StatusDetails{Name: cut.Details.Name, Kind: cut.Details.Kind}
		}
		cut.Message = "the Secret is invalid: " + strings.Join(invalid, ", ")
	default:
		return err
	}
	return &apierrors.StatusError{ErrStatus: cut}
}
