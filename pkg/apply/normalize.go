package apply

import (
	"crypto/x509"
	"encoding/base64"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// preparer brings desired objects into the form that is sent.
type preparer struct {
	labels              Labels
	owner               Owner
	prefix              string
	common, annotations map[string]string
}

// prepare edits obj: ownership labels, normal form, common metadata, in this order,
// so that common metadata wins. A Secret that is still encrypted is an error; it is
// looked for first, because the normal form would drop what tells.
func (p preparer) prepare(obj *unstructured.Unstructured) *ObjectError {
	if p.prefix != "" && encrypted(obj, p.prefix) {
		e := EntryOf(obj)
		return &ObjectError{Entry: e, Text: e.String() + " " + ErrEncrypted.Error(), Err: ErrEncrypted}
	}
	if p.labels.Name != "" {
		setStrings(obj, "labels", map[string]string{p.labels.Name: p.owner.Name, p.labels.Namespace: p.owner.Namespace})
	}
	normalize(obj)
	setStrings(obj, "labels", p.common)
	setStrings(obj, "annotations", p.annotations)
	return nil
}

// encrypted says whether obj is a Secret with a SOPS envelope that nobody said to
// leave.
func encrypted(obj *unstructured.Unstructured, prefix string) bool {
	if obj.GetKind() != "Secret" || obj.GetAPIVersion() != "v1" || field(obj, "sops") == nil {
		return false
	}
	return !strings.EqualFold(text(obj, "metadata", "annotations", prefix+"/decrypt"), api.ValueDisabled)
}

// setStrings sets entries of a map below metadata.
func setStrings(obj *unstructured.Unstructured, name string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	m, _ := field(obj, "metadata", name).(map[string]any)
	if m == nil {
		m = make(map[string]any, len(values))
	}
	for k, v := range values {
		m[k] = v
	}
	metadata, _ := obj.Object["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		obj.Object["metadata"] = metadata
	}
	metadata[name] = m
}

// normalize brings obj into the form in which the API server would return it, as
// far as that can be told without a schema: what only a server sets is dropped, and
// for built-in kinds what decoding into their types would drop or default.
func normalize(obj *unstructured.Unstructured) {
	metadata, _ := obj.Object["metadata"].(map[string]any)
	for _, name := range [...]string{
		"creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
		"managedFields", "resourceVersion", "selfLink", "uid",
	} {
		delete(metadata, name)
	}
	for _, l := range leftovers() {
		if m, ok := metadata[l[0]].(map[string]any); ok {
			delete(m, l[1])
		}
	}
	gk := obj.GroupVersionKind().GroupKind()
	if gk.Group == "apiextensions.k8s.io" && gk.Kind == "CustomResourceDefinition" {
		dropBadCA(obj)
		return
	}
	delete(obj.Object, "status")
	if builtin(gk.Group) && !bareRole(gk) {
		dropNulls(obj.Object)
		normalizeKind(obj, gk)
	}
}

// builtin says whether the API server itself serves a group, so that its objects
// have types that everybody knows.
func builtin(group string) bool {
	switch group {
	case "", "apps", "autoscaling", "batch", "extensions", "policy",
		"admissionregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
		"certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
		"flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io",
		"rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io",
		"storagemigration.k8s.io":
		return true
	}
	return false
}

// bareRole names the kinds in which an empty list means something.
func bareRole(gk schema.GroupKind) bool {
	return gk.Group == "rbac.authorization.k8s.io" && (gk.Kind == "Role" || gk.Kind == "ClusterRole")
}

// dropNulls removes fields that are null, which to a typed object are absent.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, sub := range v {
			if sub == nil {
				delete(v, name)
			} else {
				dropNulls(sub)
			}
		}
	case []any:
		for _, item := range v {
			dropNulls(item)
		}
	}
}

func normalizeKind(obj *unstructured.Unstructured, gk schema.GroupKind) {
	switch gk.Kind {
	case "Secret":
		mergeStringData(obj)
	case "Service":
		defaultProtocol(field(obj, "spec", "ports"))
	case "Pod":
		podProtocols(field(obj, "spec"))
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job":
		podProtocols(field(obj, "spec", "template", "spec"))
	case "CronJob":
		podProtocols(field(obj, "spec", "jobTemplate", "spec", "template", "spec"))
	}
}

// mergeStringData moves stringData into data: it can only be written, so that a
// field owned there would never be found again.
func mergeStringData(obj *unstructured.Unstructured) {
	plain, ok := obj.Object["stringData"].(map[string]any)
	if !ok {
		return
	}
	data, _ := obj.Object["data"].(map[string]any)
	if data == nil {
		data = make(map[string]any, len(plain))
	}
	for k, v := range plain {
		s, ok := v.(string)
		if !ok {
			return // the API server explains it better
		}
		data[k] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	obj.Object["data"] = data
	delete(obj.Object, "stringData")
}

func podProtocols(spec any) {
	s, _ := spec.(map[string]any)
	for _, name := range [...]string{"containers", "initContainers"} {
		list, _ := s[name].([]any)
		for _, c := range list {
			if c, ok := c.(map[string]any); ok {
				defaultProtocol(c["ports"])
			}
		}
	}
}

// defaultProtocol fills in the protocol of ports. It is part of their merge key.
func defaultProtocol(ports any) {
	list, _ := ports.([]any)
	for _, p := range list {
		if p, ok := p.(map[string]any); ok && (p["protocol"] == nil || p["protocol"] == "") {
			p["protocol"] = "TCP"
		}
	}
}

// dropBadCA removes the CA bundle of a conversion webhook if it is a placeholder
// that something in the cluster is to fill in; the API server would refuse it.
func dropBadCA(obj *unstructured.Unstructured) {
	config, _ := field(obj, "spec", "conversion", "webhook", "clientConfig").(map[string]any)
	bundle, ok := config["caBundle"]
	if !ok {
		return
	}
	s, _ := bundle.(string)
	pem, err := base64.StdEncoding.DecodeString(s)
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(pem) {
		delete(config, "caBundle")
	}
}
