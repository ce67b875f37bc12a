package kube

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/fluxd/fluxd/pkg/api"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	kjson "sigs.k8s.io/json"
)

// codec decodes JSON into the types of its scheme, one object at a time: what
// does not fit its type becomes an [Undecodable] instead of failing the list
// or the watch that it is part of. Managed fields are dropped on the way in.
type codec struct{ scheme *runtime.Scheme }

// Undecodable stands for a stored object that does not fit its type, such as
// one with a duration that overflows.
type Undecodable struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	// Status is what fits of the common part of the status.
	Status api.ReconcileStatus
	// Err says which part did not fit.
	Err error
}

// DeepCopyObject implements [runtime.Object].
func (u *Undecodable) DeepCopyObject() runtime.Object {
	return &Undecodable{
		TypeMeta: u.TypeMeta, ObjectMeta: *u.ObjectMeta.DeepCopy(), Status: *u.Status.DeepCopy(), Err: u.Err,
	}
}

// peek is the part of a document that says how to decode the rest.
type peek struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        json.RawMessage   `json:"metadata"`
	Items           []json.RawMessage `json:"items"`
}

// Decode implements [runtime.Decoder].
func (c codec) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			return nil, nil, fmt.Errorf("decode %T: %w", into, err)
		}
		gvk := into.GetObjectKind().GroupVersionKind()
		return into, &gvk, nil
	}
	var head peek
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, nil, fmt.Errorf("decode an answer of the API server: %w", err)
	}
	gvk := head.GroupVersionKind()
	if head.Kind == "Status" && gvk.Group == "" {
		status := &metav1.Status{}
		err := json.Unmarshal(data, status)
		return status, &gvk, err
	}
	if head.Items == nil {
		obj, err := c.object(gvk, data)
		return obj, &gvk, err
	}
	list := &internalversion.List{}
	if err := json.Unmarshal(head.Metadata, &list.ListMeta); err != nil {
		return nil, nil, fmt.Errorf("decode the metadata of a %s: %w", head.Kind, err)
	}
	list.Items = make([]runtime.Object, len(head.Items))
	for i, item := range head.Items {
		obj, err := c.object(itemKind(gvk, item), item)
		if err != nil {
			return nil, nil, err
		}
		list.Items[i] = obj
	}
	return list, &gvk, nil
}

// itemKind returns the kind of one item of a list of the given kind. Items of
// custom resources name theirs; others inherit it from the list.
func itemKind(list schema.GroupVersionKind, item json.RawMessage) schema.GroupVersionKind {
	var own metav1.TypeMeta
	if json.Unmarshal(item, &own) == nil && own.Kind != "" {
		return own.GroupVersionKind()
	}
	const suffix = "List"
	return list.GroupVersion().WithKind(list.Kind[:max(0, len(list.Kind)-len(suffix))])
}

func (c codec) object(gvk schema.GroupVersionKind, data []byte) (runtime.Object, error) {
	obj, err := c.scheme.New(gvk)
	if err != nil {
		return nil, fmt.Errorf("decode a %s: %w", gvk.Kind, err)
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, obj); err != nil {
		if field := c.misfit(gvk, data); field != "" {
			err = fmt.Errorf("%s: %w", field, err)
		}
		return undecodable(gvk, data, err)
	}
	obj.GetObjectKind().SetGroupVersionKind(gvk)
	if m, ok := obj.(metav1.Object); ok {
		m.SetManagedFields(nil)
	}
	return obj, nil
}

func undecodable(gvk schema.GroupVersionKind, data []byte, cause error) (runtime.Object, error) {
	var head struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("decode the metadata of a %s: %w", gvk.Kind, err)
	}
	var rest struct {
		Status api.ReconcileStatus `json:"status"`
	}
	_ = json.Unmarshal(data, &rest) // goes on behind what does not fit
	u := &Undecodable{ObjectMeta: head.Metadata, Status: rest.Status, Err: cause}
	u.SetGroupVersionKind(gvk)
	u.SetManagedFields(nil)
	return u, nil
}

// Encode implements [runtime.Encoder].
func (c codec) Encode(obj runtime.Object, w io.Writer) error {
	return json.NewEncoder(w).Encode(obj)
}

// Identifier implements [runtime.Encoder].
func (c codec) Identifier() runtime.Identifier { return "fluxd" }

// SupportedMediaTypes implements [runtime.NegotiatedSerializer].
func (c codec) SupportedMediaTypes() []runtime.SerializerInfo {
	return []runtime.SerializerInfo{{
		MediaType:        runtime.ContentTypeJSON,
		MediaTypeType:    "application",
		MediaTypeSubType: "json",
		EncodesAsText:    true,
		Serializer:       c,
		StreamSerializer: &runtime.StreamSerializerInfo{
			EncodesAsText: true,
			Serializer:    c,
			Framer:        jsonserializer.Framer,
		},
	}}
}

// EncoderForVersion implements [runtime.NegotiatedSerializer].
func (c codec) EncoderForVersion(runtime.Encoder, runtime.GroupVersioner) runtime.Encoder { return c }

// DecoderToVersion implements [runtime.NegotiatedSerializer].
func (c codec) DecoderToVersion(runtime.Decoder, runtime.GroupVersioner) runtime.Decoder { return c }
