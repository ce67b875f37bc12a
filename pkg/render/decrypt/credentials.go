package decrypt

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"unicode/utf16"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/identity"
)

// credentials are those of a Secret for key services. What is nil or empty is not in
// it, and the identity of the object counts.
type credentials struct {
	aws   *identity.Keys
	azure *azureLogin
	gcp   []byte
	vault string
}

// azureLogin is an application, or the managed identity of a client.
type azureLogin struct {
	identity.AzureApp
	managed string
}

// add reads one entry. Errors show nothing of it.
func (c *credentials) add(name string, value []byte) (err error) {
	switch name {
	case awsEntry:
		c.aws, err = awsCredentials(value)
	case azureEntry:
		c.azure, err = azureCredentials(value)
	case gcpEntry:
		c.gcp = bytes.TrimSpace(value)
		if !json.Valid(c.gcp) {
			return errors.New("it is not the JSON of a service account")
		}
	case vaultEntry:
		c.vault = strings.TrimSpace(string(value))
	}
	return err
}

func awsCredentials(value []byte) (*identity.Keys, error) {
	var f struct {
		ID      string `json:"aws_access_key_id"`
		Secret  string `json:"aws_secret_access_key"`
		Session string `json:"aws_session_token"`
	}
	if yaml.Unmarshal(value, &f) != nil || f.ID == "" || f.Secret == "" {
		return nil, errors.New("it is not YAML with aws_access_key_id and aws_secret_access_key")
	}
	return &identity.Keys{AccessKeyID: f.ID, SecretAccessKey: f.Secret, SessionToken: f.Session}, nil
}

func azureCredentials(value []byte) (*azureLogin, error) {
	var f struct {
		TenantID            string `json:"tenantId"`
		ClientID            string `json:"clientId"`
		ClientSecret        string `json:"clientSecret"`
		Certificate         string `json:"clientCertificate"`
		CertificatePassword string `json:"clientCertificatePassword"`
		SendChain           bool   `json:"clientCertificateSendChain"`
		AuthorityHost       string `json:"authorityHost"`

		// what az ad sp create-for-rbac prints
		Tenant   string `json:"tenant"`
		AppID    string `json:"appId"`
		Password string `json:"password"`
	}
	if yaml.Unmarshal(withoutMark(value), &f) != nil {
		return nil, errors.New("it is neither YAML nor JSON")
	}
	app := identity.AzureApp{Tenant: f.TenantID, Client: f.ClientID, Authority: f.AuthorityHost, SendChain: f.SendChain}
	named := f.TenantID != "" && f.ClientID != ""
	switch {
	case named && f.ClientSecret != "":
		app.Secret = f.ClientSecret
	case named && f.Certificate != "":
		block, _ := pem.Decode([]byte(f.Certificate))
		if block == nil || f.CertificatePassword != "" {
			return nil, errors.New("clientCertificate is not supported unless it is PEM without a password")
		}
		app.Certificate = []byte(f.Certificate)
	case f.Tenant != "" && f.AppID != "" && f.Password != "":
		app.Tenant, app.Client, app.Secret = f.Tenant, f.AppID, f.Password
	case f.ClientID != "":
		return &azureLogin{managed: f.ClientID}, nil
	default:
		return nil, errors.New("it holds neither tenantId and clientId with clientSecret or clientCertificate, nor tenant, appId and password, nor clientId alone")
	}
	return &azureLogin{AzureApp: app}, nil
}

// withoutMark returns text as UTF-8 without a byte order mark: on some systems tools
// write UTF-16.
func withoutMark(text []byte) []byte {
	if rest, ok := bytes.CutPrefix(text, []byte("\xef\xbb\xbf")); ok {
		return rest
	}
	little, big := bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff"))
	if !little && !big {
		return text
	}
	var units []uint16
	for i := 2; i+1 < len(text); i += 2 {
		if little {
			units = append(units, uint16(text[i])|uint16(text[i+1])<<8)
		} else {
			units = append(units, uint16(text[i])<<8|uint16(text[i+1]))
		}
	}
	return []byte(string(utf16.Decode(units)))
}
