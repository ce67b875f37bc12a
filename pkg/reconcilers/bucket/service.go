package bucket

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
	"github.com/fluxd/fluxd/pkg/sources/bucket/gcs"
	"github.com/fluxd/fluxd/pkg/transport"
)

// access is how the store is reached. Its transports are closed together.
type access struct {
	*one
	proxy  *url.URL
	secret *attempt.Secret // nil if the spec names none
	// material is what all the Secrets hold that say who asks.
	material []map[string][]byte
	opened   []*transport.Transport
}

// service returns the service of the bucket, and what closes its connections. Errors
// are classified.
func (a *one) service(ctx context.Context) (bucket.Service, func(), error) {
	how := &access{one: a}
	service, err := how.connect(ctx)
	if err != nil {
		how.close()
		return nil, nil, err
	}
	a.access = how.digest()
	return service, how.close, nil
}

func (c *access) connect(ctx context.Context) (bucket.Service, error) {
	if err := c.checkSTS(); err != nil {
		return nil, err
	}
	spec := c.obj.Spec
	var err error
	if c.proxy, err = c.Proxy(ctx, spec.ProxySecretRef); err != nil {
		return nil, err
	}
	if spec.SecretRef != nil {
		secret, err := c.Secret(ctx, "spec.secretRef", spec.SecretRef)
		if err != nil {
			return nil, err
		}
		c.secret = &secret
		c.material = append(c.material, secret.Data)
	}
	switch provider := c.obj.GetProvider(); provider {
	case v1.BucketProviderGeneric, v1.BucketProviderAWS:
		return c.s3(ctx)
	case v1.BucketProviderGCP:
		return c.gcs(ctx)
	case v1.BucketProviderAzure:
		return c.azure(ctx)
	default:
		return nil, c.Stalled(api.ReasonInvalidProviderConfiguration,
			fmt.Errorf("spec.provider: %q is none of generic, aws, gcp, azure", provider))
	}
}

// digest returns what stands for all that the attempt sees. With a proxy or certificates
// of one's own one may be talking to anybody, and an identity is that of an account of the
// namespace, so that these are shared within a namespace alone.
func (c *access) digest() string {
	spec := c.obj.Spec
	facts := []any{
		c.obj.GetProvider(), spec.Endpoint, spec.Insecure, spec.Region, spec.BucketName, spec.Prefix, spec.Ignore,
		attempt.DigestOf(c.material...),
	}
	if c.secret == nil || c.obj.GetProvider() == v1.BucketProviderAzure || spec.STS != nil || spec.ProxySecretRef != nil || spec.CertSecretRef != nil {
		facts = append(facts, c.Owner.Namespace, spec.ServiceAccountName, spec.STS, spec.ProxySecretRef, spec.CertSecretRef)
	}
	raw, err := json.Marshal(facts)
	if err != nil { // none of it can fail to be encoded
		raw = []byte(c.Owner.String())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func (c *access) close() {
	for _, t := range c.opened {
		t.Close()
	}
}

// transport returns one for the store, or for what gives credentials for it.
func (c *access) transport(settings *tls.Config, parallel int) *transport.Transport {
	t := c.Transport(transport.Options{TLS: settings, Proxy: c.proxy, Parallel: parallel})
	c.opened = append(c.opened, t)
	return t
}

// wrong says that the Secret lacks something.
func (c *access) wrong(ctx context.Context, s attempt.Secret, err error) error {
	return c.AuthFailed(ctx, fmt.Errorf("%s: %w", s.Where, err))
}

// whose returns whose cloud identity is meant where there is no Secret.
func (c *access) whose() identity.Request {
	r := c.Identity(c.obj.GetProvider(), c.obj.Spec.ServiceAccountName, c.proxy)
	if c.obj.Spec.STS != nil {
		r.STSEndpoint = c.obj.Spec.STS.Endpoint
	}
	return r
}

// bearer has tokens of a cloud kept for as long as they are good.
func bearer(get func(context.Context) (identity.Token, error)) func(context.Context) (string, error) {
	return lease(func(ctx context.Context) (string, time.Time, error) {
		token, err := get(ctx)
		return token.Value, token.Expires, err
	})
}

// gcs returns a bucket of Google Cloud Storage.
func (c *access) gcs(ctx context.Context) (bucket.Service, error) {
	token := func(ctx context.Context) (identity.Token, error) { return c.Clouds.GCPToken(ctx, c.whose()) }
	if c.secret != nil {
		key, ok := c.secret.Data["serviceaccount"]
		if !ok || len(key) == 0 {
			return nil, c.wrong(ctx, *c.secret, fmt.Errorf("%w: required fields 'serviceaccount'", bucket.ErrCredentials))
		}
		where := c.secret.Where
		token = func(ctx context.Context) (identity.Token, error) {
			token, err := c.Clouds.GCPKeyToken(ctx, c.whose(), key, gcs.Scope)
			if err != nil {
				err = fmt.Errorf("%s: %w", where, err)
			}
			return token, err
		}
	}
	service, err := gcs.New(gcs.Config{
		Bucket: c.obj.Spec.BucketName, Endpoint: c.options.GoogleEndpoint,
		Token: bearer(token), Transport: c.transport(nil, bucket.Parallel),
	})
	if err != nil {
		return nil, c.fetchFailed(ctx, err)
	}
	return service, nil
}
