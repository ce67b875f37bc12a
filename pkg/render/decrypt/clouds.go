package decrypt

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/identity"
)

// Files name keys, and tenants write files. So the server that is asked, with the
// identity of the process perhaps, follows from the name and is one of the provider.
var (
	awsName   = pattern(`^arn:(aws|aws-us-gov|aws-cn):kms:([a-z0-9-]+):[0-9]+:(?:key|alias)/[A-Za-z0-9/_-]+$`)
	gcpName   = pattern(`^projects/[A-Za-z0-9.:_-]+/locations/[A-Za-z0-9-]+/keyRings/[A-Za-z0-9_-]+/cryptoKeys/[A-Za-z0-9_-]+$`)
	azureName = pattern(`^[A-Za-z0-9-]+$`)
	azureHost = pattern(`^[a-z0-9-]+\.(vault\.azure\.net|vault\.azure\.cn|vault\.usgovcloudapi\.net|managedhsm\.azure\.net)$`)
)

// aws asks the Key Management Service:
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
func (q query) aws(ctx context.Context) ([]byte, error) {
	name := awsName().FindStringSubmatch(q.key.id)
	if name == nil {
		return nil, fmt.Errorf("no valid ARN found in '%s'", q.key.id)
	}
	if _, err := base64.StdEncoding.DecodeString(q.key.enc); err != nil {
		return nil, errCipher
	}
	region, domain := name[2], "amazonaws.com"
	if name[1] == "aws-cn" {
		domain = "amazonaws.com.cn"
	}
	keys, err := q.awsKeys(ctx, region)
	if err != nil {
		return nil, err
	}
	if q.key.role != "" {
		if keys, err = q.assume(ctx, keys, region, domain); err != nil {
			return nil, err
		}
	}
	body, err := json.Marshal(map[string]any{"CiphertextBlob": q.key.enc, "EncryptionContext": q.key.context, "KeyId": q.key.id})
	if err != nil {
		return nil, errCipher
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"TrentService.Decrypt"}}
	var answer struct{ Plaintext string }
	err = q.Services.post(ctx, "https://kms."+region+"."+domain+"/", header, body, func(r *http.Request) {
		keys.Sign(r, body, "kms", region, q.Services.config.Now())
	}, &answer)
	if err != nil {
		return nil, err
	}
	return plainKey(base64.StdEncoding, answer.Plaintext)
}

func (q query) awsKeys(ctx context.Context, region string) (identity.Keys, error) {
	if q.credentials.aws != nil {
		return *q.credentials.aws, nil
	}
	clouds, err := q.clouds()
	if err != nil {
		return identity.Keys{}, err
	}
	return clouds.AWSKeys(ctx, q.identity("decrypt_with_aws"), region)
}

// gcp asks Cloud KMS:
// https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt
func (q query) gcp(ctx context.Context) ([]byte, error) {
	if !gcpName().MatchString(q.key.id) {
		return nil, unusable("resource ID")
	}
	if _, err := base64.StdEncoding.DecodeString(q.key.enc); err != nil {
		return nil, errCipher
	}
	token, err := q.gcpToken(ctx)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Plaintext string `json:"plaintext"`
	}
	body := []byte(`{"ciphertext":"` + q.key.enc + `"}`)
	if err := q.Services.post(ctx, "https://cloudkms.googleapis.com/v1/"+q.key.id+":decrypt", bearer(token.Value), body, nil, &answer); err != nil {
		return nil, err
	}
	return plainKey(base64.StdEncoding, answer.Plaintext)
}

// gcpScope is what Cloud KMS wants of a token.
const gcpScope = "https://www.googleapis.com/auth/cloudkms"

func (q query) gcpToken(ctx context.Context) (identity.Token, error) {
	clouds, err := q.clouds()
	if err != nil {
		return identity.Token{}, err
	}
	request := q.identity("decrypt_with_gcp")
	if q.credentials.gcp != nil {
		return clouds.GCPKeyToken(ctx, request, q.credentials.gcp, gcpScope)
	}
	return clouds.GCPToken(ctx, request)
}

// azure asks Key Vault:
// https://learn.microsoft.com/rest/api/keyvault/keys/decrypt/decrypt
func (q query) azure(ctx context.Context) ([]byte, error) {
	u, err := url.Parse(strings.TrimSuffix(q.key.url, "/"))
	if err != nil || u.Scheme != "https" || u.User != nil || u.Path != "" || u.RawQuery != "" || !azureHost().MatchString(u.Host) {
		return nil, unusable("URL of the vault")
	}
	if !azureName().MatchString(q.key.id) || q.key.version != "" && !azureName().MatchString(q.key.version) {
		return nil, unusable("name or version of the key")
	}
	if _, err := base64.RawURLEncoding.DecodeString(q.key.enc); err != nil {
		return nil, errCipher
	}
	_, domain, _ := strings.Cut(u.Host, ".")
	token, err := q.azureToken(ctx, "https://"+domain+"/.default")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Value string `json:"value"`
	}
	address := "https://" + u.Host + "/keys/" + q.key.id + "/" + q.key.version + "/decrypt?api-version=7.4"
	body := []byte(`{"alg":"RSA-OAEP-256","value":"` + q.key.enc + `"}`)
	if err := q.Services.post(ctx, address, bearer(token.Value), body, nil, &answer); err != nil {
		return nil, err
	}
	return plainKey(base64.RawURLEncoding, answer.Value)
}

func (q query) azureToken(ctx context.Context, scope string) (identity.Token, error) {
	clouds, err := q.clouds()
	if err != nil {
		return identity.Token{}, err
	}
	request, login := q.identity("decrypt_with_azure"), q.credentials.azure
	switch {
	case login == nil:
		return clouds.AzureToken(ctx, request, scope)
	case login.managed != "":
		return clouds.AzureManaged(ctx, request, login.managed, scope)
	}
	return clouds.AzureAppToken(ctx, request, login.AzureApp, scope)
}

func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
}
