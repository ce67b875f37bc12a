package bucket

import (
	"cmp"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/pkcs12"

	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
	"github.com/fluxd/fluxd/pkg/sources/bucket/azure"
)

// azure returns a container of Azure Blob Storage.
func (c *access) azure(ctx context.Context) (bucket.Service, error) {
	config := azure.Config{
		Endpoint: c.obj.Spec.Endpoint, Container: c.obj.Spec.BucketName, Transport: c.transport(nil, bucket.Parallel),
	}
	if c.secret == nil {
		config.Token = c.lent(c.whose(), func(ctx context.Context) (identity.Token, error) {
			return c.Clouds.AzureToken(ctx, c.whose(), identity.ScopeStorage)
		})
	} else if err := c.azureSecret(&config, c.secret.Data); err != nil {
		return nil, c.wrong(ctx, *c.secret, err)
	}
	service, err := azure.New(config)
	if errors.Is(err, bucket.ErrCredentials) && c.secret != nil {
		return nil, c.wrong(ctx, *c.secret, err)
	}
	if err != nil {
		return nil, c.fetchFailed(ctx, err)
	}
	return service, nil
}

// azureSecret adds the first credentials that a Secret holds, in the order in which
// Flux looks for them.
func (c *access) azureSecret(config *azure.Config, data map[string][]byte) error {
	text := func(key string) string { return string(data[key]) }
	_, tenant := data["tenantId"]
	_, client := data["clientId"]
	_, key := data["accountKey"]
	_, sas := data["sasKey"]
	_, authority := data["authorityHost"]
	switch {
	case tenant && client && text("clientSecret") != "":
		config.Token = c.app(identity.AzureApp{Secret: text("clientSecret")})
	case tenant && client && text("clientCertificate") != "":
		certificate, err := certificate(data["clientCertificate"], text("clientCertificatePassword"))
		if err != nil {
			return err
		}
		chain := text("clientCertificateSendChain")
		config.Token = c.app(identity.AzureApp{Certificate: certificate, SendChain: chain == "1" || strings.EqualFold(chain, "true")})
	case client:
		config.Token = c.lent(identity.Request{}, func(ctx context.Context) (identity.Token, error) {
			return c.Clouds.AzureManaged(ctx, c.whose(), text("clientId"), identity.ScopeStorage)
		})
	case key && text("accountKey") != "":
		config.Key = text("accountKey")
	case !key && sas && text("sasKey") != "":
		config.SAS = text("sasKey")
	case key || sas:
		return fmt.Errorf("%w: accountKey or sasKey is empty", bucket.ErrCredentials)
	case authority:
		config.Token = c.lent(c.whose(), func(ctx context.Context) (identity.Token, error) {
			return c.Clouds.AzureToken(ctx, c.whose(), identity.ScopeStorage)
		})
	default:
		return fmt.Errorf("%w: requires a 'clientId', 'accountKey' or 'sasKey' field, a combination of 'tenantId', "+
			"'clientId' and 'clientSecret', or 'tenantId', 'clientId' and 'clientCertificate'", bucket.ErrCredentials)
	}
	return nil
}

// azureDomains are where Azure keeps blobs, in all of its clouds.
var azureDomains = []string{
	".blob.core.windows.net", ".blob.core.usgovcloudapi.net", ".blob.core.chinacloudapi.cn", ".blob.core.cloudapi.de", ".blob.storage.azure.net",
}

// lent returns tokens of who. If that is nobody in particular they are those of the
// process or of its machine, which whoever may write a Bucket could otherwise have sent to
// a server of their own: they are for Azure alone.
func (c *access) lent(who identity.Request, get func(context.Context) (identity.Token, error)) func(context.Context) (string, error) {
	if cmp.Or(who.ServiceAccount, who.DefaultAccount) != "" || c.isAzure(c.obj.Spec.Endpoint) {
		return bearer(get)
	}
	return func(context.Context) (string, error) {
		return "", &credentialsError{fmt.Errorf("spec.endpoint: %w", errNotAzure)}
	}
}

var errNotAzure = errors.New("its host is not one of Azure, to which alone the identity of the process is shown: " +
	"use a Secret with credentials, or spec.serviceAccountName")

// isAzure says whether an endpoint belongs to Azure.
func (c *access) isAzure(endpoint string) bool {
	u, err := url.Parse(endpoint)
	domains := c.options.AzureDomains
	if domains == nil {
		domains = azureDomains
	}
	return err == nil && slices.ContainsFunc(domains, func(domain string) bool {
		return strings.HasSuffix(strings.ToLower(u.Hostname()), domain)
	})
}

// app returns tokens of the application in the Secret.
func (c *access) app(app identity.AzureApp) func(context.Context) (string, error) {
	data := c.secret.Data
	app.Tenant, app.Client, app.Authority = string(data["tenantId"]), string(data["clientId"]), string(data["authorityHost"])
	return bearer(func(ctx context.Context) (identity.Token, error) {
		token, err := c.Clouds.AzureAppToken(ctx, c.whose(), app, identity.ScopeStorage)
		if err != nil {
			err = fmt.Errorf("%s: %w", c.secret.Where, err)
		}
		return token, err
	})
}

// certificate returns a certificate and its key in PEM form, from that or from
// PKCS #12.
func certificate(data []byte, password string) ([]byte, error) {
	if block, _ := pem.Decode(data); block != nil {
		return data, nil
	}
	blocks, err := pkcs12.ToPEM(data, password)
	if err != nil {
		return nil, fmt.Errorf("%w: clientCertificate is neither PEM nor PKCS #12 with the password in clientCertificatePassword", bucket.ErrCredentials)
	}
	var out []byte
	for _, block := range blocks {
		block.Headers = nil
		out = append(out, pem.EncodeToMemory(block)...)
	}
	return out, nil
}
