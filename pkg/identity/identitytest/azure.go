package identitytest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// azureLogin knows the applications whose secret is "secret of <client>", and takes
// tokens of the cluster and assertions signed by a certificate that is sent along.
func (c *Clouds) azureLogin(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, tenant := call.Form, strings.Split(r.URL.Path, "/")[1]
		client := f.Get("client_id")
		proven := f.Get("client_secret") == "secret of "+client
		if assertion := f.Get("client_assertion"); assertion != "" && f.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			claims, _ := verifyJWT(assertion)
			proven = strings.HasSuffix(c.Owner(assertion), " for api://AzureADTokenExchange") ||
				claims["aud"] == call.URL && claims["iss"] == client && claims["sub"] == client
		}
		if r.URL.Path != "/"+tenant+"/oauth2/v2.0/token" || f.Get("grant_type") != "client_credentials" || !proven {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"AADSTS700213: No match for %s. Trace ID: %s Timestamp: %s"}`,
				f.Get("client_assertion")+f.Get("client_secret"), c.Issue("trace", ""), c.Now())
			return
		}
		token := c.Issue("application "+tenant+"/"+client, f.Get("scope"))
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":%d,"access_token":%q}`, int(c.ends().Sub(c.Now()).Seconds()), token)
	}
}

func (c *Clouds) azureMachine(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.URL.Path != "/metadata/identity/oauth2/token" || r.Header.Get("Metadata") != "true" || q.Get("api-version") != "2018-02-01" ||
		r.Header.Get("X-Forwarded-For") != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_request","error_description":"Required metadata header not specified"}`)
		return
	}
	token := c.Issue("managed identity "+q.Get("client_id"), q.Get("resource"))
	fmt.Fprintf(w, `{"access_token":%q,"expires_on":"%d","resource":%q,"token_type":"Bearer"}`, token, c.ends().Unix(), q.Get("resource"))
}

// azureRegistry exchanges tokens for its own, which tell whose they are.
func (c *Clouds) azureRegistry(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		owner := c.Owner(call.Form.Get("access_token"))
		if r.URL.Path != "/oauth2/exchange" || call.Form.Get("grant_type") != "access_token" || call.Form.Get("service") != r.Host ||
			!strings.HasSuffix(owner, " for https://containerregistry.azure.net/.default") {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":"the token %s is not valid"}]}`, call.Form.Get("access_token"))
			return
		}
		claims, _ := json.Marshal(map[string]any{"exp": c.ends().Unix(), "sub": owner, "aud": r.Host})
		token := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
		_ = json.NewEncoder(w).Encode(map[string]string{"refresh_token": token})
	}
}

// verifyJWT returns the claims of an assertion that the certificate in its header
// signed.
func verifyJWT(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("not a JSON Web Token")
	}
	var header struct {
		Alg string
		X5c []string
	}
	var claims map[string]any
	for i, into := range []any{&header, &claims} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, into); err != nil {
			return nil, err
		}
	}
	if header.Alg != "RS256" || len(header.X5c) == 0 {
		return nil, fmt.Errorf("the header has no certificate")
	}
	der, err := base64.StdEncoding.DecodeString(header.X5c[0])
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return claims, verifyRS256(certificate.PublicKey.(*rsa.PublicKey), parts)
}

func verifyRS256(key *rsa.PublicKey, parts []string) error {
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
}
