package decrypt

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/render"
)

// ServicesConfig is what [Services] are made of.
type ServicesConfig struct {
	// Clouds get credentials; nil gets none.
	Clouds *identity.Clouds
	// Transport is what calls go through; nil means real connections.
	Transport http.RoundTripper
	// Env and Now replace the environment and the clock; nil means the real ones.
	Env func(string) string
	Now func() time.Time
}

// Services reach key services: those of AWS, Azure and Google Cloud, and Vault. Nothing
// is set up before one is asked. It is safe for concurrent use.
type Services struct {
	config ServicesConfig
	client func() (*http.Client, error)
}

// NewServices returns services that nobody has asked yet.
func NewServices(c ServicesConfig) *Services {
	if c.Env == nil {
		c.Env = os.Getenv
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Services{config: c}
	s.client = sync.OnceValues(s.newClient)
	return s
}

// Access is how an object reaches key services.
type Access struct {
	// Services is nil for an object that reaches none.
	Services *Services
	// Namespace and Name are those of the object, Kind its kind.
	Kind, Namespace, Name string
	// ServiceAccount is whose identity is used where the Secret has no credentials;
	// empty means that of the process.
	ServiceAccount string
	// Vault logs in to Vault where the Secret has no token; nil does not.
	Vault *VaultLogin
}

// Inputs digests whose identity is used: a build with another one is another build.
func (a Access) Inputs() render.Inputs {
	return sha256.Sum256([]byte(a.Namespace + "/" + a.ServiceAccount))
}

// identity returns the request for credentials.
func (a Access) identity(operation string) identity.Request {
	return identity.Request{
		Namespace: a.Namespace, ServiceAccount: a.ServiceAccount,
		For: identity.Object{Kind: a.Kind, Namespace: a.Namespace, Name: a.Name, Operation: operation},
	}
}

var (
	errNoService = errors.New("the key service is not supported")
	errCipher    = errors.New("the encrypted data key is not base64")
	errAnswer    = errors.New("the answer holds no data key")
)

// open has a key service decrypt a data key. Of what it answers, errors show no more
// than a status and a code.
func (a Access) open(ctx context.Context, k masterKey, c credentials) ([]byte, error) {
	if a.Services == nil {
		return nil, errNoService
	}
	q := query{Access: a, credentials: c, key: k}
	switch k.kind {
	case awsKey:
		return q.aws(ctx)
	case azureKey:
		return q.azure(ctx)
	case gcpKey:
		return q.gcp(ctx)
	case vaultKey:
		return q.vault(ctx)
	}
	return nil, errNoService
}

// query is one question to a key service.
type query struct {
	Access
	credentials credentials
	key         masterKey
}

// clouds returns what gets credentials.
func (q query) clouds() (*identity.Clouds, error) {
	if q.Services.config.Clouds == nil {
		return nil, errors.New("there are no credentials for it")
	}
	return q.Services.config.Clouds, nil
}

// plainKey decodes a data key that came in an answer.
func plainKey(encoding *base64.Encoding, text string) ([]byte, error) {
	key, err := encoding.DecodeString(text)
	if err != nil || len(key) == 0 || len(key) > maxDataKey {
		return nil, errAnswer
	}
	return key, nil
}

// unusable says that the metadata of a file name something that cannot be a key.
func unusable(what string) error { return fmt.Errorf("the %s is not valid", what) }
