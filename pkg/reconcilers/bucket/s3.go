package bucket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
	"github.com/fluxd/fluxd/pkg/sources/bucket/s3"
)

// checkSTS says whether the token service goes with the provider. The API server says
// so too, but not of objects that are older than its rules.
func (c *access) checkSTS() error {
	sts, provider := c.obj.Spec.STS, c.obj.GetProvider()
	if sts == nil {
		return nil
	}
	var wrong error
	switch {
	case provider != v1.BucketProviderAWS && provider != v1.BucketProviderGeneric:
		wrong = fmt.Errorf("STS configuration is not supported for '%s' bucket provider", provider)
	case (provider == v1.BucketProviderAWS) != (sts.Provider == v1.STSProviderAWS),
		(provider == v1.BucketProviderGeneric) != (sts.Provider == v1.STSProviderLDAP):
		wrong = fmt.Errorf("STS provider '%s' is not supported for '%s' bucket provider", sts.Provider, provider)
	case sts.Provider == v1.STSProviderAWS && sts.SecretRef != nil:
		wrong = errors.New("spec.sts.secretRef is not required for the 'aws' STS provider")
	case sts.Provider == v1.STSProviderAWS && sts.CertSecretRef != nil:
		wrong = errors.New("spec.sts.certSecretRef is not required for the 'aws' STS provider")
	}
	if wrong != nil {
		return c.Stalled(api.ReasonInvalidSTSConfiguration, fmt.Errorf("spec.sts: %w", wrong))
	}
	if err := s3.CheckEndpoint(sts.Endpoint); err != nil {
		return c.Stalled(api.ReasonURLInvalid, fmt.Errorf("spec.sts.endpoint: %w", err))
	}
	return nil
}

// s3 returns a bucket of Amazon S3, or of what speaks the same protocol.
func (c *access) s3(ctx context.Context) (bucket.Service, error) {
	spec := c.obj.Spec
	settings, err := c.Certificates(ctx, "spec.certSecretRef", spec.CertSecretRef)
	if err != nil {
		return nil, err
	}
	credentials, err := c.keys(ctx)
	if err != nil {
		return nil, err
	}
	if spec.Insecure {
		settings = nil
	}
	service, err := s3.New(s3.Config{
		Endpoint: spec.Endpoint, Insecure: spec.Insecure, Region: c.region(), Bucket: spec.BucketName,
		Credentials: credentials, Transport: c.transport(settings, bucket.Parallel),
	})
	if err != nil {
		return nil, c.fetchFailed(ctx, err)
	}
	return service, nil
}

// keys returns the credentials: those of the Secret, of the cloud, or of the
// directory; nil is nobody.
func (c *access) keys(ctx context.Context) (s3.Credentials, error) {
	login, err := c.login(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case c.secret != nil:
		access, ok := c.secret.Data["accesskey"]
		secret, also := c.secret.Data["secretkey"]
		if !ok || !also {
			return nil, c.wrong(ctx, *c.secret, fmt.Errorf("%w: required fields 'accesskey' and 'secretkey'", bucket.ErrCredentials))
		}
		if len(access) == 0 || len(secret) == 0 {
			return nil, nil
		}
		return s3.Fixed(s3.Keys{Access: string(access), Secret: string(secret)}), nil
	case c.obj.GetProvider() == v1.BucketProviderAWS:
		return lease(c.cloudKeys), nil
	}
	return login, nil
}

func (c *access) cloudKeys(ctx context.Context) (s3.Keys, time.Time, error) {
	k, err := c.Clouds.AWSKeys(ctx, c.whose(), c.obj.Spec.Region)
	if err != nil {
		return s3.Keys{}, time.Time{}, fmt.Errorf("AWS authentication failed: %w", err)
	}
	return s3.Keys{Access: k.AccessKeyID, Secret: k.SecretAccessKey, Token: k.SessionToken, Expires: k.Expires}, k.Expires, nil
}

// login returns the credentials that a directory gives for a login, nil if the spec
// names none. Its Secrets are checked even where those of the bucket come first.
func (c *access) login(ctx context.Context) (s3.Credentials, error) {
	sts := c.obj.Spec.STS
	if sts == nil || sts.Provider != v1.STSProviderLDAP {
		return nil, nil
	}
	settings, err := c.Certificates(ctx, "spec.sts.certSecretRef", sts.CertSecretRef)
	if err != nil {
		return nil, err
	}
	if sts.SecretRef == nil {
		if c.secret != nil {
			return nil, nil
		}
		return nil, c.AuthFailed(ctx, errors.New("spec.sts.secretRef: the STS provider ldap needs a Secret with username and password"))
	}
	secret, err := c.Secret(ctx, "spec.sts.secretRef", sts.SecretRef)
	if err != nil {
		return nil, err
	}
	c.material = append(c.material, secret.Data)
	user, password := string(secret.Data["username"]), string(secret.Data["password"])
	if user == "" || password == "" {
		return nil, c.wrong(ctx, secret, fmt.Errorf("%w for '%s' STS provider: required fields username, password", bucket.ErrCredentials, sts.Provider))
	}
	trade := s3.LDAP{
		Endpoint: sts.Endpoint, Username: user, Password: password, Transport: c.transport(settings, 1),
	}.Credentials()
	return func(ctx context.Context) (s3.Keys, error) {
		keys, err := trade(ctx)
		if err != nil {
			err = &credentialsError{err}
		}
		return keys, err
	}, nil
}
