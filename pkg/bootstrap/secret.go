package bootstrap

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/pkg/install"
)

// Credentials are what the cluster reads the repository with.
type Credentials struct {
	// Data is the content of the Secret where it was given. It replaces what is there.
	Data map[string][]byte
	// Key, with no Data, is what key to generate if there is none yet.
	Key *KeyType
	// KnownHosts is the key of the host for a key that is generated.
	KnownHosts []byte
	// Allow sees to it that the remote lets the public key in, a line of
	// authorized_keys. fresh says that it was generated just now.
	Allow func(ctx context.Context, public string, fresh bool) error
}

// Keys of the Secret.
const (
	KeyIdentity   = "identity"
	KeyPublic     = "identity.pub"
	KeyKnownHosts = "known_hosts"
	KeyUsername   = "username"
	KeyPassword   = "password"
	KeyBearer     = "bearerToken"
	KeyCA         = "ca.crt"
)

var secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// secret sees to it that the Secret is there and that the remote accepts it.
func (b *bootstrap) secret(ctx context.Context) error {
	c, name := b.options.Credentials, b.options.Sync.Secret
	if name == "" {
		return nil
	}
	data, err := b.read(ctx, name)
	if err != nil {
		return err
	}
	fresh := false
	switch {
	case c.Data != nil:
		data = c.Data
		if err := b.write(ctx, name, data); err != nil {
			return err
		}
	case len(data[KeyIdentity]) == 0:
		if data, fresh, err = b.generate(ctx, name); err != nil {
			return err
		}
	default:
		b.progress.Done("the Secret %s/%s is there and stays", b.options.Sync.Namespace, name)
	}
	if c.Allow == nil || len(data[KeyPublic]) == 0 {
		return nil
	}
	return c.Allow(ctx, string(data[KeyPublic]), fresh)
}

// generate creates the Secret with a new key. If somebody else was faster, theirs
// counts.
func (b *bootstrap) generate(ctx context.Context, name string) (data map[string][]byte, fresh bool, err error) {
	pair, err := b.options.Credentials.Key.Generate()
	if err != nil {
		return nil, false, err
	}
	data = map[string][]byte{
		KeyIdentity: pair.Private, KeyPublic: pair.Public, KeyKnownHosts: b.options.Credentials.KnownHosts,
	}
	_, err = b.cluster.In(secrets, b.options.Sync.Namespace).Create(ctx, b.object(name, data), metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		theirs, err := b.read(ctx, name)
		if err != nil || len(theirs[KeyIdentity]) > 0 {
			return theirs, false, err
		}
		return data, true, b.write(ctx, name, data) // it has no key
	}
	if err != nil {
		return nil, false, fmt.Errorf("create the Secret %s/%s: %w", b.options.Sync.Namespace, name, err)
	}
	b.progress.Done("generated a key: %s", Fingerprint(pair.Public))
	return data, true, nil
}

func (b *bootstrap) object(name string, data map[string][]byte) *unstructured.Unstructured {
	encoded := make(map[string]any)
	for key, value := range data {
		encoded[key] = base64.StdEncoding.EncodeToString(value)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": encoded,
		"metadata": map[string]any{"name": name, "namespace": b.options.Sync.Namespace},
	}}
}

// read returns what is in the Secret, nothing if there is none.
func (b *bootstrap) read(ctx context.Context, name string) (map[string][]byte, error) {
	obj, err := b.cluster.Get(ctx, secrets, b.options.Sync.Namespace, name)
	if err != nil || obj == nil {
		return nil, err
	}
	encoded, _, err := unstructured.NestedStringMap(obj.Object, "data")
	if err != nil {
		return nil, nil // empty values only
	}
	data := make(map[string][]byte)
	for key, value := range encoded {
		if data[key], err = base64.StdEncoding.DecodeString(value); err != nil {
			return nil, fmt.Errorf("the Secret %s/%s: the key %s is not base64", b.options.Sync.Namespace, name, key)
		}
	}
	return data, nil
}

// write sets keys of the Secret, which is created if need be. Other keys stay.
func (b *bootstrap) write(ctx context.Context, name string, data map[string][]byte) error {
	patch, err := json.Marshal(b.object(name, data).Object)
	if err != nil {
		return err
	}
	_, err = b.cluster.In(secrets, b.options.Sync.Namespace).Patch(ctx, name, types.ApplyPatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager, Force: new(true)})
	if err != nil {
		return fmt.Errorf("write the Secret %s/%s: %w", b.options.Sync.Namespace, name, install.Withhold(err))
	}
	b.progress.Done("the Secret %s/%s has the credentials", b.options.Sync.Namespace, name)
	return nil
}
