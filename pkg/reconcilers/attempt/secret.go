package attempt

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Secret is one that a field of the object names.
type Secret struct {
	Data map[string][]byte
	// Type is that of the Secret, such as kubernetes.io/dockerconfigjson.
	Type string
	// Where is how messages name it: the field, then the Secret.
	Where string
}

// SecretRefs returns the references to the Secrets that fields of obj name; fields
// that are not set are left out.
func SecretRefs(namespace string, fields ...*api.LocalObjectReference) []reconcilers.Ref {
	var refs []reconcilers.Ref
	for _, field := range fields {
		if field != nil && field.Name != "" {
			ref := reconcilers.Ref{Namespace: namespace, Name: field.Name}
			ref.Kind = "Secret"
			refs = append(refs, ref)
		}
	}
	return refs
}

// Secret reads the Secret that a field names. A missing one is a classified error.
func (a *Attempt) Secret(ctx context.Context, field string, ref *api.LocalObjectReference) (Secret, error) {
	namespace := a.Owner.Namespace
	data, kind, err := a.Secrets.Secret(ctx, namespace, ref.Name)
	if err != nil {
		return Secret{}, a.AuthFailed(ctx, fmt.Errorf("%s: failed to get secret '%s/%s': %w", field, namespace, ref.Name, err))
	}
	return Secret{Data: data, Type: kind, Where: fmt.Sprintf("%s: Secret %s/%s", field, namespace, ref.Name)}, nil
}

// Proxy returns the proxy that spec.proxySecretRef names, nil if it is not set.
// Errors are classified.
func (a *Attempt) Proxy(ctx context.Context, ref *api.LocalObjectReference) (*url.URL, error) {
	if ref == nil {
		return nil, nil
	}
	secret, err := a.Secret(ctx, "spec.proxySecretRef", ref)
	if err != nil {
		return nil, err
	}
	proxy, err := ProxyOf(secret.Data)
	if err != nil {
		return nil, a.AuthFailed(ctx, fmt.Errorf("%s: %w", secret.Where, err))
	}
	return proxy, nil
}

// Certificates returns the TLS settings that spec.certSecretRef names, nil if it is
// not set. Errors are classified; a Secret without any settings is one.
func (a *Attempt) Certificates(ctx context.Context, field string, ref *api.LocalObjectReference) (*tls.Config, error) {
	if ref == nil {
		return nil, nil
	}
	secret, err := a.Secret(ctx, field, ref)
	if err != nil {
		return nil, err
	}
	config, err := TLSOf(secret.Data)
	if err == nil && config == nil {
		err = errNoCertificates
	}
	if err != nil {
		return nil, a.AuthFailed(ctx, fmt.Errorf("%s: %w", secret.Where, err))
	}
	return config, nil
}

// KeysEnding returns the entries of a Secret whose key ends in one of some suffixes,
// such as the public keys among them.
func KeysEnding(data map[string][]byte, suffixes ...string) map[string][]byte {
	found := make(map[string][]byte)
	for key, value := range data {
		for _, suffix := range suffixes {
			if strings.HasSuffix(key, suffix) {
				found[key] = value
			}
		}
	}
	return found
}

// DigestOf returns a digest of all that Secrets hold, in their order: whoever has the same
// may read the same.
func DigestOf(secrets ...map[string][]byte) string {
	sum := sha256.New()
	for i, data := range secrets {
		for _, key := range slices.Sorted(maps.Keys(data)) {
			fmt.Fprintf(sum, "%d %q=%q\n", i, key, data[key])
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
