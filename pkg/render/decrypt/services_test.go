package decrypt

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/identity/identitytest"
)

// dataKeyOfTests is that of all files of testdata.
const dataKeyOfTests = "0123456789abcdef0123456789ABCDEF"

// forService returns a file whose data key only a service can open.
func forService(t *testing.T, keys string) []byte {
	t.Helper()
	text := string(golden(t, "two.yaml.enc"))
	before, rest, ok := strings.Cut(text, "    age:\n")
	_, after, ok2 := strings.Cut(rest, "    lastmodified:")
	if !ok || !ok2 {
		t.Fatal("the file has another form")
	}
	return []byte(before + keys + "    lastmodified:" + after)
}

const (
	awsBlock   = "    kms:\n        - arn: arn:aws:kms:eu-west-1:123456789012:key/abc\n          context:\n            env: test\n          created_at: \"2024-01-01T00:00:00Z\"\n          enc: Y2lwaGVy\n"
	roleBlock  = "    kms:\n        - arn: arn:aws:kms:eu-west-1:123456789012:key/abc\n          role: arn:aws:iam::123456789012:role/sops\n          enc: Y2lwaGVy\n"
	gcpBlock   = "    gcp_kms:\n        - resource_id: projects/p/locations/global/keyRings/r/cryptoKeys/k\n          enc: Y2lwaGVy\n"
	azureBlock = "    azure_kv:\n        - vault_url: https://team.vault.azure.net\n          name: sops\n          version: v1\n          enc: Y2lwaGVy\n"
	vaultBlock = "    hc_vault:\n        - vault_address: https://vault.example.org:8200\n          engine_path: transit/team\n          key_name: sops\n          enc: vault:v1:cipher\n"
)

// services are fakes of the key services, which know the data key.
type services struct {
	*identitytest.Clouds
	*Services
	env   map[string]string
	asked []string // who asked what
}

func newServices(t *testing.T) *services {
	t.Helper()
	s := &services{Clouds: identitytest.New(t), env: map[string]string{}}
	env := func(name string) string { return s.env[name] }
	clouds := identity.New(identity.Options{Transport: s.Transport, Env: env, Accounts: s.Clouds, ObjectLevel: true})
	s.Services = NewServices(ServicesConfig{Clouds: clouds, Transport: s.Transport(nil), Env: env, Now: time.Now})
	answer := func(host string, encode func([]byte) string, form string, who func(*http.Request) string) {
		s.Handle(host, func(w http.ResponseWriter, r *http.Request) {
			s.asked = append(s.asked, who(r)+" "+r.URL.RequestURI()+" "+s.last().Body)
			fmt.Fprintf(w, form, encode([]byte(dataKeyOfTests)))
		})
	}
	std, bearer := base64.StdEncoding.EncodeToString, func(r *http.Request) string {
		return s.Owner(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}
	answer("kms.eu-west-1.amazonaws.com", std, `{"KeyId":"x","Plaintext":%q}`, signer)
	answer("cloudkms.googleapis.com", std, `{"plaintext":%q}`, bearer)
	answer("team.vault.azure.net", base64.RawURLEncoding.EncodeToString, `{"kid":"x","value":%q}`, bearer)
	answer("vault.example.org:8200", std, `{"data":{"plaintext":%q}}`, func(r *http.Request) string {
		return strings.TrimSpace(r.Header.Get("X-Vault-Token") + " " + r.Header.Get("X-Vault-Namespace"))
	})
	s.Handle("sts.eu-west-1.amazonaws.com", func(w http.ResponseWriter, r *http.Request) {
		form := s.last().Form
		s.asked = append(s.asked, signer(r)+" "+form.Get("Action")+" "+form.Get("RoleArn"))
		fmt.Fprint(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>s</SecretAccessKey>`+
			`<SessionToken>t</SessionToken></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	})
	return s
}

// last returns the call that is being answered.
func (s *services) last() identitytest.Call {
	calls := s.Calls()
	return calls[len(calls)-1]
}

// signer returns whose keys a request is signed with, and for what.
func signer(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	parts := strings.Split(credential, "/")
	if len(parts) < 4 || !strings.Contains(r.Header.Get("Authorization"), "x-amz-date") {
		return "nobody"
	}
	return parts[0] + "/" + parts[2] + "/" + parts[3]
}

func TestServices(t *testing.T) {
	const awsQuery = ` / {"CiphertextBlob":"Y2lwaGVy","EncryptionContext":{"env":"test"},"KeyId":"arn:aws:kms:eu-west-1:123456789012:key/abc"}`
	const azureQuery = ` /keys/sops/v1/decrypt?api-version=7.4 {"alg":"RSA-OAEP-256","value":"Y2lwaGVy"}`
	const gcpQuery = ` /v1/projects/p/locations/global/keyRings/r/cryptoKeys/k:decrypt {"ciphertext":"Y2lwaGVy"}`
	const vaultQuery = ` /v1/transit/team/decrypt/sops {"ciphertext":"vault:v1:cipher"}`
	awsEnv := map[string]string{"AWS_ACCESS_KEY_ID": "ENVKEY", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
	cases := map[string]struct {
		keys, entry, value string
		env                map[string]string
		asked              []string
	}{
		"AWS, keys of the Secret": {
			keys: awsBlock, entry: awsEntry, value: "aws_access_key_id: KEY1\naws_secret_access_key: s\n", asked: []string{"KEY1/eu-west-1/kms" + awsQuery},
		},
		"AWS, keys of the process": {keys: awsBlock, env: awsEnv, asked: []string{"ENVKEY/eu-west-1/kms" + awsQuery}},
		"AWS, a role": {
			keys: roleBlock, entry: awsEntry, value: "{aws_access_key_id: KEY1, aws_secret_access_key: s, aws_session_token: t}",
			asked: []string{
				"KEY1/eu-west-1/sts AssumeRole arn:aws:iam::123456789012:role/sops",
				`ASSUMED/eu-west-1/kms / {"CiphertextBlob":"Y2lwaGVy","EncryptionContext":{},"KeyId":"arn:aws:kms:eu-west-1:123456789012:key/abc"}`,
			},
		},
		"Azure, an application": {
			keys: azureBlock, entry: azureEntry, value: `{"tenantId":"t1","clientId":"c1","clientSecret":"secret of c1"}`,
			asked: []string{"application t1/c1 for https://vault.azure.net/.default" + azureQuery},
		},
		"Azure, what az prints": {
			keys: azureBlock, entry: azureEntry, value: "tenant: t1\nappId: c2\npassword: secret of c2\n",
			asked: []string{"application t1/c2 for https://vault.azure.net/.default" + azureQuery},
		},
		"Azure, in UTF-16": {
			keys: azureBlock, entry: azureEntry, value: utf16Text(`{"tenantId":"t1","clientId":"c1","clientSecret":"secret of c1"}`),
			asked: []string{"application t1/c1 for https://vault.azure.net/.default" + azureQuery},
		},
		"Azure, a managed identity": {
			keys: azureBlock, entry: azureEntry, value: "clientId: m1\n", asked: []string{"managed identity m1 for https://vault.azure.net" + azureQuery},
		},
		"Vault": {keys: vaultBlock, entry: vaultEntry, value: " hvs.token \n", asked: []string{"hvs.token" + vaultQuery}},
		"Vault, the token of the process": {
			keys: vaultBlock, env: map[string]string{"VAULT_ADDR": "https://vault.example.org:8200/", "VAULT_TOKEN": "env", "VAULT_NAMESPACE": "team"},
			asked: []string{"env team" + vaultQuery},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newServices(t)
			s.env = c.env
			data := map[string][]byte{}
			if c.entry != "" {
				data[c.entry] = []byte(c.value)
			}
			d := New(Secret{Data: data}, Access{Services: s.Services, Namespace: "apps", Name: "app"})
			got, err := decrypted(d, "f.yaml", forService(t, c.keys))
			if err != nil || got != "a: b\n" {
				t.Fatalf("got %q, %v", got, err)
			}
			if strings.Join(s.asked, "\n") != strings.Join(c.asked, "\n") {
				t.Errorf("asked %q, want %q", s.asked, c.asked)
			}
		})
	}
	t.Run("Google Cloud", func(t *testing.T) {
		s := newServices(t)
		d := New(Secret{Data: map[string][]byte{gcpEntry: s.Account(t, "sops@p.iam.gserviceaccount.com")}}, Access{Services: s.Services})
		if got, err := decrypted(d, "f.yaml", forService(t, gcpBlock)); err != nil || got != "a: b\n" {
			t.Fatalf("got %q, %v", got, err)
		}
		if len(s.asked) != 1 || !strings.Contains(s.asked[0], "sops@p.iam") || !strings.HasSuffix(s.asked[0], gcpQuery) {
			t.Errorf("asked %q", s.asked)
		}
	})
	t.Run("Azure, by a ServiceAccount", func(t *testing.T) {
		s := newServices(t)
		s.Annotations["apps/kms"] = map[string]string{"azure.workload.identity/tenant-id": "t9", "azure.workload.identity/client-id": "c9"}
		d := New(Secret{}, Access{Services: s.Services, Namespace: "apps", ServiceAccount: "kms"})
		if got, err := decrypted(d, "f.yaml", forService(t, azureBlock)); err != nil || got != "a: b\n" {
			t.Fatalf("got %q, %v", got, err)
		}
		if len(s.asked) != 1 || !strings.HasPrefix(s.asked[0], "application t9/c9 ") {
			t.Errorf("asked %q", s.asked)
		}
	})
}

// jwt is a token of a ServiceAccount that nobody signed.
func jwt(subject string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"`+subject+`"}`)) + ".x"
}

func TestVaultLogin(t *testing.T) {
	const address = "https://vault.example.org:8200"
	type login struct {
		paths   map[string]string
		subject string
		answer  string
	}
	good := login{map[string]string{address: "auth/kubernetes/login"}, "system:serviceaccount:apps:sops", `{"auth":{"client_token":"hvs.login"}}`}
	cases := map[string]struct {
		login
		static, want string
	}{
		"as a ServiceAccount":         {login: good},
		"not with a token at hand":    {login: login{}, static: "hvs.static"},
		"a server that is not listed": {login{map[string]string{address + "/": "x"}, good.subject, good.answer}, "", "no Vault login path configured for address 'https://vault.example.org:8200' in ConfigMap 'fluxd/vault'"},
		"a path that leads elsewhere": {login{map[string]string{address: "auth/../../x"}, good.subject, good.answer}, "", "the login path is not valid"},
		"somebody else's token":       {login{good.paths, "system:node:n1", good.answer}, "", "the token is not that of a ServiceAccount"},
		"an answer without a token":   {login{good.paths, good.subject, `{}`}, "", "the answer holds no token"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newServices(t)
			s.env = map[string]string{"VAULT_ADDR": address, "VAULT_TOKEN": "env"} // which is not what is used
			transit := s.asks("vault.example.org:8200", func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/login") {
					fmt.Fprint(w, c.answer)
					return
				}
				fmt.Fprintf(w, `{"data":{"plaintext":%q}}`, base64.StdEncoding.EncodeToString([]byte(dataKeyOfTests)))
			})
			data, issued := map[string][]byte{}, 0
			if c.static != "" {
				data[vaultEntry] = []byte(c.static)
			}
			d := New(Secret{Data: data}, Access{Services: s.Services, Vault: &VaultLogin{
				List: "fluxd/vault", Paths: func(context.Context) (map[string]string, error) { return c.paths, nil },
				Token: func(_ context.Context, audience string) (string, error) {
					if issued++; audience != address {
						t.Errorf("a token for %s", audience)
					}
					return jwt(c.subject), nil
				},
			}})
			for range 2 {
				got, err := decrypted(d, "f.yaml", forService(t, vaultBlock))
				if c.want == "" && (err != nil || got != "a: b\n") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Fatalf("got %q, %v", got, err)
				}
			}
			query, want := "hvs.login /v1/transit/team/decrypt/sops", []string(nil)
			switch {
			case c.static != "":
				want = []string{"hvs.static /v1/transit/team/decrypt/sops", "hvs.static /v1/transit/team/decrypt/sops"}
			case c.want == "":
				want = []string{` /v1/auth/kubernetes/login {"jwt":"` + jwt(c.subject) + `","role":"apps_sops"}`, query, query}
			default:
				return
			}
			for i, asked := range transit() {
				if i >= len(want) || !strings.HasPrefix(asked, want[i]) {
					t.Errorf("asked %q, want %q", asked, want[i])
				}
			}
			if c.static == "" && issued != 1 {
				t.Errorf("%d tokens were issued", issued)
			}
		})
	}
}

// asks replaces a host and returns what it was asked later, with the token of Vault.
func (s *services) asks(host string, h http.HandlerFunc) func() []string {
	var asked []string
	s.Handle(host, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("X-Vault-Token")+" "+r.URL.Path+" "+s.last().Body)
		h(w, r)
	})
	return func() []string { return asked }
}

func TestSubject(t *testing.T) {
	for _, bad := range []string{"", "a.b", "a.#.c", "a." + base64.RawURLEncoding.EncodeToString([]byte("[")) + ".c", jwt("x"), jwt("system:serviceaccount:a"), jwt("system:serviceaccount::b")} {
		if _, _, err := Subject(bad); !errors.Is(err, errSubject) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	if namespace, name, err := Subject(jwt("system:serviceaccount:a:b") + "\n"); namespace != "a" || name != "b" || err != nil {
		t.Errorf("got %s, %s, %v", namespace, name, err)
	}
}

func utf16Text(text string) string {
	out := "\xff\xfe"
	for _, b := range []byte(text) {
		out += string([]byte{b, 0})
	}
	return out
}

// What a file says decides neither which hosts are asked, beyond those of the
// provider, nor who gets a token.
func TestServicesThatAreNotAsked(t *testing.T) {
	replace := func(block, old, replacement string) string { return strings.Replace(block, old, replacement, 1) }
	cases := map[string]struct{ keys, want string }{
		"a region that is another host":               {replace(awsBlock, "eu-west-1", "evil.example.org/x?"), "no valid ARN"},
		"a partition that is none":                    {replace(awsBlock, "arn:aws:", "arn:evil:"), "no valid ARN"},
		"a role that is none":                         {replace(roleBlock, "arn:aws:iam::123456789012:role/sops", "x&Action=y"), "the role is not valid"},
		"cipher text that is none":                    {replace(awsBlock, "Y2lwaGVy", "'#'"), "the encrypted data key is not base64"},
		"another vault than those of Azure":           {replace(azureBlock, "team.vault.azure.net", "team.vault.azure.net.evil.example.org"), "the URL of the vault is not valid"},
		"a vault without TLS":                         {replace(azureBlock, "https:", "http:"), "the URL of the vault is not valid"},
		"a vault with a path":                         {replace(azureBlock, "azure.net", "azure.net/x/?y"), "the URL of the vault is not valid"},
		"a key name with a path":                      {replace(azureBlock, "name: sops", "name: ../x"), "the name or version of the key is not valid"},
		"a resource that leads elsewhere":             {replace(gcpBlock, "keyRings/r", "keyRings/../../r"), "the resource ID is not valid"},
		"an engine that leads elsewhere":              {replace(vaultBlock, "transit/team", "transit/../../sys"), "the path of the key is not valid"},
		"an address without a server":                 {replace(vaultBlock, "https://vault.example.org:8200", "file:///etc/passwd"), "the address of the server is not valid"},
		"an address with a password":                  {replace(vaultBlock, "https://", "https://user:pass@"), "the address of the server is not valid"},
		"the token of the process for another server": {replace(vaultBlock, "vault.example.org:8200", "evil.example.org"), "there is no token for it"},
		"a service that nobody reaches":               {"    hckms:\n        - key_id: x\n          enc: y\n", "the key service is not supported"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newServices(t)
			s.env = map[string]string{
				"AWS_ACCESS_KEY_ID": "ENVKEY", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1",
				"AZURE_TENANT_ID": "t1", "AZURE_CLIENT_ID": "c1", "AZURE_CLIENT_SECRET": "secret of c1",
				"VAULT_ADDR": "https://vault.example.org:8200", "VAULT_TOKEN": "env",
			}
			_, err := decrypted(New(Secret{}, Access{Services: s.Services}), "f.yaml", forService(t, c.keys))
			if !errors.Is(err, ErrDataKey) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if calls := s.Calls(); len(calls) > 0 {
				t.Errorf("asked %+v", calls)
			}
		})
	}
}

func TestServicesThatRefuse(t *testing.T) {
	cases := map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a refusal": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"AccessDeniedException","message":"User hunter2 is not authorized"}`)
		}, "kms.eu-west-1.amazonaws.com answered 400 Bad Request: AccessDeniedException"},
		"a refusal without a code": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `hunter2`)
		}, "kms.eu-west-1.amazonaws.com answered 403 Forbidden"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example.org/", http.StatusFound)
		}, "kms.eu-west-1.amazonaws.com answered 302 Found"},
		"no JSON":     {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hunter2") }, "the answer holds no data key"},
		"no key":      {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }, "the answer holds no data key"},
		"another key": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"Plaintext":"aHVudGVyMg=="}`) }, "the data key has 7 bytes"},
		"without an end": {func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(strings.Repeat("x", 1<<20))
		}, "the answer holds no data key"},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "reach kms.eu-west-1.amazonaws.com: "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newServices(t)
			s.Handle("kms.eu-west-1.amazonaws.com", c.answer)
			d := New(Secret{Data: map[string][]byte{awsEntry: []byte("aws_access_key_id: K\naws_secret_access_key: s\n")}}, Access{Services: s.Services})
			_, err := decrypted(d, "f.yaml", forService(t, awsBlock))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			discreet(t, err)
			if hosts := strings.Join(s.Hosts(), " "); strings.Contains(hosts, "evil") {
				t.Errorf("asked %s", hosts)
			}
		})
	}
}

func TestServicesStop(t *testing.T) {
	s := newServices(t)
	ctx, cancel := context.WithCancel(context.Background())
	s.Handle("kms.eu-west-1.amazonaws.com", func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	d := New(Secret{Data: map[string][]byte{awsEntry: []byte("aws_access_key_id: K\naws_secret_access_key: s\n")}}, Access{Services: s.Services})
	files := tree{"/r/kustomization.yaml": "secretGenerator: [{name: a, files: [f.yaml]}]", "/r/f.yaml": string(forService(t, awsBlock))}
	if err := d.Files(ctx, files, "/r", "/r"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCredentialsThatCannotBeRead(t *testing.T) {
	cases := map[string]struct{ name, value, want string }{
		"AWS without a secret":         {awsEntry, "aws_access_key_id: hunter2", "aws_secret_access_key"},
		"AWS that is no YAML":          {awsEntry, "[hunter2", "aws_secret_access_key"},
		"Azure without a secret":       {azureEntry, "tenantId: hunter2", "tenantId and clientId"},
		"Azure with a PKCS 12 file":    {azureEntry, "{tenantId: a, clientId: b, clientCertificate: hunter2}", "clientCertificate is not supported"},
		"Azure with a locked key":      {azureEntry, "{tenantId: a, clientId: b, clientCertificate: x, clientCertificatePassword: hunter2}", "clientCertificate is not supported"},
		"Azure that is no YAML":        {azureEntry, "[hunter2", "neither YAML nor JSON"},
		"Google Cloud that is no JSON": {gcpEntry, "hunter2", "not the JSON of a service account"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := New(Secret{Name: "apps/keys", Data: map[string][]byte{c.name: []byte(c.value)}}, Access{}).Check()
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "failed to import '"+c.name+"'") {
				t.Errorf("got %v, want %s", err, c.want)
			}
			discreet(t, err)
		})
	}
}
