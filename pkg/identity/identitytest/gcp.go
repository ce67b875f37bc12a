package identitytest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"crypto/rand"
)

const gcpScopes = "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email"

// The project, location and name of the cluster in which the machine is.
const (
	Project  = "my-project"
	Location = "europe-west1"
	Cluster  = "edge"
)

func (c *Clouds) gcpMachine(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Metadata-Flavor") != "Google" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("Metadata-Flavor", "Google")
	switch strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/") {
	case "project/project-id":
		fmt.Fprint(w, Project)
	case "instance/attributes/cluster-location":
		fmt.Fprint(w, Location)
	case "instance/attributes/cluster-name":
		fmt.Fprint(w, Cluster)
	case "instance/service-accounts/default/token":
		c.gcpToken(w, "machine account", r.URL.Query().Get("scopes"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (c *Clouds) gcpToken(w http.ResponseWriter, whose, audience string) {
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":%d,"token_type":"Bearer"}`, c.Issue(whose, audience), int(c.ends().Sub(c.Now()).Seconds()))
}

// gcpSTS exchanges tokens that are meant for the issuer that the audience names.
func (c *Clouds) gcpSTS(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := call.Form
		owner := c.Owner(f.Get("subject_token"))
		wanted := f.Get("audience") // the pool of another cluster
		if strings.HasPrefix(wanted, "identitynamespace:") {
			wanted = Project + ".svc.id.goog"
			if f.Get("audience") != "identitynamespace:"+wanted+":https://container.googleapis.com/v1/projects/"+Project+"/locations/"+Location+"/clusters/"+Cluster {
				wanted = "nobody"
			}
		}
		if r.URL.Path != "/v1/token" || f.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" ||
			f.Get("requested_token_type") != "urn:ietf:params:oauth:token-type:access_token" ||
			f.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" || !strings.HasSuffix(owner, " for "+wanted) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"%s is for %s"}`, f.Get("subject_token"), owner)
			return
		}
		c.gcpToken(w, "federated "+owner, f.Get("scope"))
	}
}

func (c *Clouds) gcpImpersonate(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(call.Header.Get("Authorization"), "Bearer ")
		owner := c.Owner(token)
		email, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/projects/-/serviceAccounts/"), ":generateAccessToken")
		var asked struct {
			Scope    []string
			Lifetime string
		}
		if json.Unmarshal([]byte(call.Body), &asked) != nil || !ok || asked.Lifetime != "3600s" ||
			!strings.HasPrefix(owner, "federated ") || !strings.HasSuffix(owner, " for https://www.googleapis.com/auth/cloud-platform") {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"%s may not impersonate %s"}}`, token, email)
			return
		}
		fmt.Fprintf(w, `{"accessToken":%q,"expireTime":%q}`, c.Issue(email, strings.Join(asked.Scope, " ")), c.ends().UTC().Format(time.RFC3339))
	}
}

// gcpLogin takes assertions of [Clouds.Account] and the refresh token "refresh".
func (c *Clouds) gcpLogin(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := call.Form
		if f.Get("grant_type") == "refresh_token" && f.Get("refresh_token") == "refresh" && f.Get("client_secret") == "client secret" {
			c.gcpToken(w, "user "+f.Get("client_id"), gcpScopes)
			return
		}
		claims, err := c.assertion(f.Get("assertion"))
		if err != nil || r.URL.Path != "/token" || f.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || claims["aud"] != call.URL {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"Invalid JWT %s"}`, f.Get("assertion"))
			return
		}
		c.gcpToken(w, fmt.Sprint(claims["iss"]), fmt.Sprint(claims["scope"]))
	}
}

// assertion verifies a signed assertion and returns its claims.
func (c *Clouds) assertion(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("not a JSON Web Token")
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := json.Unmarshal(data, &claims); err != nil {
		return nil, err
	}
	der, err := base64.StdEncoding.DecodeString(c.Owner("key of " + fmt.Sprint(claims["iss"])))
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, err
	}
	life := claims["exp"].(float64) - claims["iat"].(float64)
	if now := float64(c.Now().Unix()); life > 3600 || claims["iat"].(float64) > now || claims["exp"].(float64) < now {
		return nil, fmt.Errorf("the assertion is not valid now")
	}
	return claims, verifyRS256(key, parts)
}

// Account creates an account and returns the JSON of its key.
func (c *Clouds) Account(t testing.TB, email string) []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.tokens["key of "+email] = base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	c.mu.Unlock()
	data, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": email, "private_key_id": "1", "token_uri": "https://oauth2.googleapis.com/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}
