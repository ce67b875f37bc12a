package identitytest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Plane is the control plane of a cluster of a cloud.
type Plane struct {
	Address string
	CA      []byte
}

// aksScope is the application that clusters of AKS are.
const aksScope = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"

var arn = regexp.MustCompile(`^arn:aws:eks:([a-z0-9-]+):123456789012:cluster/([\w-]+)$`)

// Build makes a cluster known under its full name.
func (c *Clouds) Build(name string, at Plane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clusters[name] = at
}

func (c *Clouds) cluster(name string) (Plane, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.clusters[name]
	return at, ok
}

// Caller returns whose a token is that was sent to the API server of a cluster, which
// checks it as that of its cloud does.
func (c *Clouds) Caller(cluster, token string) (whose string, err error) {
	if m := arn.FindStringSubmatch(cluster); m != nil {
		return c.eksCaller(m[1], m[2], token)
	}
	scope := aksScope
	if strings.HasPrefix(cluster, "projects/") {
		scope = gcpScopes
	}
	whose, ok := c.meant(token, scope)
	if !ok {
		return "", fmt.Errorf("the token is not for the cluster but %q", c.Owner(token))
	}
	return whose, nil
}

// meant returns whose a token is and whether it is for a scope, which machines write in
// their own way.
func (c *Clouds) meant(token, scope string) (whose string, ok bool) {
	plain := func(text string) string { return strings.ReplaceAll(strings.TrimSuffix(text, "/.default"), ",", " ") }
	return strings.CutSuffix(plain(c.Owner(token)), " for "+plain(scope))
}

// eksCaller checks a signed URL as the authenticator of EKS and STS behind it do.
func (c *Clouds) eksCaller(region, cluster, token string) (whose string, err error) {
	text, ok := strings.CutPrefix(token, "k8s-aws-v1.")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !ok {
		return "", fmt.Errorf("the token has not the form of EKS")
	}
	signed, proof, ok := strings.Cut(string(raw), "&X-Amz-Signature=")
	u, err := url.Parse(signed)
	if err != nil || !ok {
		return "", fmt.Errorf("the token is no signed URL")
	}
	q := u.Query()
	credential := strings.Split(q.Get("X-Amz-Credential"), "/")
	at, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	switch {
	case u.Scheme != "https" || u.Path != "/" || u.Host != "sts."+region+".amazonaws.com":
		return "", fmt.Errorf("%s is not the token service", u.Host)
	case q.Get("Action") != "GetCallerIdentity" || q.Get("Version") != "2011-06-15" || q.Get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" || q.Get("X-Amz-Expires") != "900":
		return "", fmt.Errorf("the question is another one")
	case err != nil || c.Now().Sub(at) > 15*time.Minute || at.After(c.Now()):
		return "", fmt.Errorf("the time is wrong")
	case q.Get("X-Amz-SignedHeaders") != "host;x-k8s-aws-id" || len(credential) != 5:
		return "", fmt.Errorf("the cluster is not signed")
	}
	c.mu.Lock()
	key := c.keys[credential[0]]
	c.mu.Unlock()
	if key.secret == "" || key.session != q.Get("X-Amz-Security-Token") {
		return "", fmt.Errorf("nobody has these keys")
	}
	canonical := strings.Join([]string{"GET", "/", u.RawQuery, "host:" + u.Host, "x-k8s-aws-id:" + cluster, "", "host;x-k8s-aws-id", sum("")}, "\n")
	scope := []string{q.Get("X-Amz-Date")[:8], region, "sts", "aws4_request"}
	text = strings.Join([]string{"AWS4-HMAC-SHA256", q.Get("X-Amz-Date"), strings.Join(scope, "/"), sum(canonical)}, "\n")
	if strings.Join(credential[1:], "/") != strings.Join(scope, "/") || signature(key.secret, append(scope, text)...) != proof {
		return "", fmt.Errorf("the signature does not match")
	}
	return key.whose, nil
}

// awsEKS describes the clusters of AWS.
func (c *Clouds) awsEKS(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := c.verify(call, "eks")
		name, found := strings.CutPrefix(r.URL.Path, "/clusters/")
		at, known := c.cluster("arn:aws:eks:" + strings.Split(r.Host, ".")[1] + ":123456789012:cluster/" + name)
		switch {
		case err != nil || call.Method != http.MethodGet:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"message":%q}`, fmt.Sprint(err))
		case !found || !known:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"__type":"ResourceNotFoundException","message":"No cluster found for name: %s."}`, name)
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{"cluster": map[string]any{
				"endpoint": at.Address, "certificateAuthority": map[string]any{"data": at.CA},
			}})
		}
	}
}

// azureARM describes the clusters of Azure. One whose name ends in -local has no
// integration with Entra ID.
func (c *Clouds) azureARM(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(call.Header.Get("Authorization"), "Bearer ")
		_, mine := c.meant(token, "https://management.azure.com/.default")
		name, listing := strings.CutSuffix(r.URL.Path, "/listClusterUserCredential")
		at, known := c.cluster(name)
		refuse := func(status int, code, message string) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"code":%q,"message":%q}}`, code, message)
		}
		switch {
		case !mine:
			refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "the token "+token+" is "+c.Owner(token))
		case r.URL.Query().Get("api-version") == "" || listing != (call.Method == http.MethodPost):
			refuse(http.StatusBadRequest, "InvalidApiVersionParameter", "the api-version is missing")
		case !known:
			refuse(http.StatusNotFound, "ResourceNotFound", "The Resource '"+name+"' was not found")
		case listing:
			_ = json.NewEncoder(w).Encode(map[string]any{"kubeconfigs": []any{
				map[string]any{"name": "clusterUser", "value": kubeconfigOf(at)},
				map[string]any{"name": "private", "value": kubeconfigOf(Plane{"https://private.test:443", at.CA})},
			}})
		default:
			profile := map[string]any{"managed": true}
			if strings.HasSuffix(name, "-local") {
				profile = nil
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"id": name, "properties": map[string]any{"aadProfile": profile}})
		}
	}
}

func kubeconfigOf(at Plane) []byte {
	return fmt.Appendf(nil, "apiVersion: v1\nkind: Config\nclusters:\n- name: aks\n  cluster: {server: %q, certificate-authority-data: %s}\n"+
		"contexts:\n- name: aks\n  context: {cluster: aks, user: user}\ncurrent-context: aks\n"+
		"users:\n- name: user\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: kubelogin}}\n",
		at.Address, base64.StdEncoding.EncodeToString(at.CA))
}

// gcpGKE describes the clusters of Google Cloud.
func (c *Clouds) gcpGKE(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(call.Header.Get("Authorization"), "Bearer ")
		name, found := strings.CutPrefix(r.URL.Path, "/v1/")
		at, known := c.cluster(name)
		_, mine := c.meant(token, gcpScopes)
		switch {
		case !mine:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":{"code":401,"status":"UNAUTHENTICATED","message":"who is %s"}}`, token)
		case !found || !known || call.Method != http.MethodGet:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"error":{"code":404,"status":"NOT_FOUND","message":"Not found: %s."}}`, name)
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{
				"endpoint": strings.TrimPrefix(at.Address, "https://"), "masterAuth": map[string]any{"clusterCaCertificate": at.CA},
			})
		}
	}
}
