package identitytest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// awsKey is a pair of keys that was issued.
type awsKey struct{ secret, session, whose string }

// Keys issues keys of somebody, without a session token if they are for ever.
func (c *Clouds) Keys(whose string, forEver bool) (id, secret, session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issued++
	id, secret = fmt.Sprintf("ASIA%d", c.issued), fmt.Sprintf("secret-%d", c.issued)
	if !forEver {
		session = fmt.Sprintf("session-%d", c.issued)
	}
	c.keys[id] = awsKey{secret, session, whose}
	return id, secret, session
}

// Secret returns the secret, the session token and the owner of keys that were issued.
func (c *Clouds) Secret(id string) (secret, session, whose string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.keys[id]
	return key.secret, key.session, key.whose
}

func (c *Clouds) awsSTS(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		f := call.Form
		refuse := func(code, message string) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
				code, message, c.Now())
		}
		owner := c.Owner(f.Get("WebIdentityToken"))
		switch {
		case call.Method != http.MethodPost || f.Get("Action") != "AssumeRoleWithWebIdentity" || f.Get("Version") != "2011-06-15":
			refuse("InvalidAction", "no such action")
		case !strings.HasSuffix(owner, " for sts.amazonaws.com"):
			refuse("InvalidIdentityToken", "the token "+f.Get("WebIdentityToken")+" is not for sts.amazonaws.com")
		case !regexp.MustCompile(`^[\w+=,.@-]{2,64}$`).MatchString(f.Get("RoleSessionName")):
			refuse("ValidationError", "the session name is not valid")
		case !strings.HasPrefix(f.Get("RoleArn"), "arn:aws"):
			refuse("ValidationError", "the role is not valid")
		default:
			id, secret, session := c.Keys(f.Get("RoleArn")+" by "+owner, false)
			fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>`+
				`<Credentials><SessionToken>%s</SessionToken><SecretAccessKey>%s</SecretAccessKey><Expiration>%s</Expiration><AccessKeyId>%s</AccessKeyId></Credentials>`+
				`</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, session, secret, c.ends().UTC().Format(time.RFC3339), id)
		}
	}
}

// awsECR logs in whoever signed the request, and tells who that was in the
// password.
func (c *Clouds) awsECR(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		service, target := "ecr", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
		if strings.Contains(call.URL, "//api.ecr-public.us-east-1.amazonaws.com/") {
			service, target = "ecr-public", "SpencerFrontendService.GetAuthorizationToken"
		}
		whose, err := c.verify(call, service)
		if err == nil && call.Header.Get("X-Amz-Target") != target {
			err = fmt.Errorf("no such operation")
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"__type":"com.amazon.coral.service#InvalidSignatureException","message":%q}`, err)
			return
		}
		data := map[string]any{
			"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:login of " + whose)),
			"expiresAt":          float64(c.ends().UnixMilli()) / 1000,
		}
		var answer any = map[string]any{"authorizationData": []any{data}}
		if service == "ecr-public" {
			answer = map[string]any{"authorizationData": data}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/(\d{8})/([a-z0-9-]+)/([a-z-]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// verify checks the signature of a request and returns who made it.
func (c *Clouds) verify(call Call, service string) (whose string, err error) {
	m := authorization.FindStringSubmatch(call.Header.Get("Authorization"))
	if m == nil {
		return "", fmt.Errorf("the Authorization header is malformed")
	}
	c.mu.Lock()
	key := c.keys[m[1]]
	c.mu.Unlock()
	u, err := url.Parse(call.URL)
	if err != nil {
		return "", err
	}
	stamp, signed := call.Header.Get("X-Amz-Date"), strings.Split(m[5], ";")
	at, err := time.Parse("20060102T150405Z", stamp)
	host := strings.Split(strings.TrimPrefix(u.Host, "api."), ".")
	if len(host) < 3 {
		return "", fmt.Errorf("%s is not a service", u.Host)
	}
	region := host[1]
	switch {
	case err != nil || !strings.HasPrefix(stamp, m[2]) || at.Sub(c.Now()).Abs() > 5*time.Minute:
		return "", fmt.Errorf("the time is wrong")
	case m[3] != region || m[4] != service:
		return "", fmt.Errorf("signed for %s in %s", m[4], m[3])
	case !slices.IsSorted(signed) || !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") || call.Header.Get("X-Amz-Target") != "" && !slices.Contains(signed, "x-amz-target"):
		return "", fmt.Errorf("the signed headers are %s", m[5])
	case key.secret == "" || key.session != call.Header.Get("X-Amz-Security-Token"):
		return "", fmt.Errorf("nobody has these keys")
	}
	var lines []string
	for _, name := range signed {
		value := call.Header.Get(name)
		if name == "host" {
			value = u.Host
		}
		lines = append(lines, name+":"+value)
	}
	canonical := strings.Join([]string{call.Method, u.Path, u.RawQuery, strings.Join(lines, "\n"), "", m[5], sum(call.Body)}, "\n")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, m[2] + "/" + m[3] + "/" + m[4] + "/aws4_request", sum(canonical)}, "\n")
	if signature(key.secret, m[2], m[3], m[4], "aws4_request", text) != m[6] {
		return "", fmt.Errorf("the signature does not match")
	}
	return key.whose, nil
}

func signature(secret string, parts ...string) string {
	key := []byte("AWS4" + secret)
	for _, part := range parts {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// CodeCommit returns who made a request to a repository of CodeCommit.
func (c *Clouds) CodeCommit(r *http.Request) (whose string, err error) {
	user, password, ok := r.BasicAuth()
	id, session, _ := strings.Cut(user, "%")
	c.mu.Lock()
	key := c.keys[id]
	c.mu.Unlock()
	stamp, signed, inUTC := strings.Cut(password, "Z")
	at, err := time.Parse("20060102T150405", stamp)
	parts := strings.Split(r.Host, ".")
	switch {
	case !ok || key.secret == "" || key.session != session:
		return "", fmt.Errorf("nobody has these keys")
	case err != nil || !inUTC || at.Sub(c.Now()).Abs() > 15*time.Minute:
		return "", fmt.Errorf("the time is wrong")
	case parts[0] != "git-codecommit":
		return "", fmt.Errorf("%s is not CodeCommit", r.Host)
	}
	repository := strings.TrimSuffix(strings.TrimSuffix(r.URL.EscapedPath(), "/info/refs"), "/git-upload-pack")
	scope := []string{stamp[:8], parts[1], "codecommit", "aws4_request"}
	text := strings.Join([]string{
		"AWS4-HMAC-SHA256", stamp, strings.Join(scope, "/"), sum("GIT\n" + repository + "\n\nhost:" + r.Host + "\n\nhost\n"),
	}, "\n")
	if signature(key.secret, append(scope, text)...) != signed {
		return "", fmt.Errorf("the signature does not match")
	}
	return key.whose, nil
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// awsAgent is the agent of EKS Pod Identity.
func (c *Clouds) awsAgent(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		owner := c.Owner(call.Header.Get("Authorization"))
		if r.URL.Path != "/v1/credentials" || !strings.HasSuffix(owner, " for pods.eks.amazonaws.com") {
			http.Error(w, `{"code":"AccessDenied","message":"unknown token"}`, http.StatusUnauthorized)
			return
		}
		c.localKeys(w, owner)
	}
}

func (c *Clouds) localKeys(w http.ResponseWriter, whose string) {
	id, secret, session := c.Keys(whose, false)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"AccessKeyId": id, "SecretAccessKey": secret, "Token": session, "Expiration": c.ends().UTC().Format(time.RFC3339),
	})
}

// machine is the metadata server of a machine in any of the clouds.
func (c *Clouds) machine(call Call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/metadata/identity/"):
			c.azureMachine(w, r)
			return
		case strings.HasPrefix(r.URL.Path, "/computeMetadata/v1/"):
			c.gcpMachine(w, r)
			return
		}
		session := c.Owner(call.Header.Get("X-aws-ec2-metadata-token")) == "metadata session for 300"
		const roles = "/latest/meta-data/iam/security-credentials/"
		switch {
		case r.URL.Path == "/latest/api/token" && r.Method == http.MethodPut:
			fmt.Fprint(w, c.Issue("metadata session", call.Header.Get("X-aws-ec2-metadata-token-ttl-seconds")))
		case !session || r.Method != http.MethodGet:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == roles:
			fmt.Fprint(w, "node-role")
		case r.URL.Path == roles+"node-role":
			c.localKeys(w, "node-role")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}
}
