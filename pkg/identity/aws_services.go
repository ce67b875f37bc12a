package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	publicECR = "public.ecr.aws"
	// publicRegion is the only one in which the public registry has logins.
	publicRegion = "us-east-1"
	// ecrPattern knows the registries of all partitions.
	ecrPattern = `^[0-9]{1,20}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]{1,40})\.(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|` +
		`sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|on\.aws)$`
	codeCommitPattern = `^git-codecommit(?:-fips)?\.([a-z0-9-]{1,40})\.amazonaws\.com(?:\.cn)?$`
	// codeCommitLife is how long the service accepts a signature.
	codeCommitLife = 15 * time.Minute
)

// region returns the first group of a pattern in text.
func region(pattern, text string) (string, bool) {
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return "", false
	}
	return found[1], true
}

// ecr returns the login for a registry of AWS. The region is that of the registry.
func (a *asking) ecr(ctx context.Context, host string) (Login, error) {
	where, ok := publicRegion, true
	service, target := "ecr-public", "SpencerFrontendService.GetAuthorizationToken"
	if host != publicECR {
		where, ok = region(ecrPattern, host)
		service, target = "ecr", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
	}
	if !ok {
		return Login{}, fmt.Errorf("%w: invalid AWS registry: '%s'. must match %s", ErrConfig, plain(host), ecrPattern)
	}
	return obtain(ctx, a, a.key("ecr", service, where), func(ctx context.Context) (Login, time.Time, error) {
		login, err := a.ecrLogin(ctx, service, target, where)
		return login, login.Expires, err
	})
}

func (a *asking) ecrLogin(ctx context.Context, service, target, where string) (Login, error) {
	keys, err := a.awsKeys(ctx, where)
	if err != nil {
		return Login{}, err
	}
	type data struct {
		AuthorizationToken string  `json:"authorizationToken"`
		ExpiresAt          float64 `json:"expiresAt"`
	}
	var answer struct {
		Data json.RawMessage `json:"authorizationData"`
	}
	k := call{
		doing: "get a login for the registry", method: http.MethodPost,
		url: "https://api." + service + "." + where + "." + awsDomain(where) + "/", body: []byte("{}"),
		header: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target},
		sign: func(req *http.Request, body []byte) {
			keys.Sign(req, body, service, where, a.options.Now())
		},
		problem: awsProblem, secrets: []string{keys.SessionToken, keys.SecretAccessKey},
	}
	if err := a.decode(ctx, k, &answer); err != nil {
		return Login{}, err
	}
	var one data // the public registry has one, the others a list
	var several []data
	if json.Unmarshal(answer.Data, &several) == nil && len(several) > 0 {
		one = several[0]
	} else if json.Unmarshal(answer.Data, &one) != nil {
		return Login{}, fmt.Errorf("%s: the answer has no login", k.doing)
	}
	pair, err := base64.StdEncoding.DecodeString(one.AuthorizationToken)
	user, password, ok := strings.Cut(string(pair), ":")
	if err != nil || !ok || one.ExpiresAt <= 0 {
		return Login{}, fmt.Errorf("%s: the answer has no login", k.doing)
	}
	return Login{Username: user, Password: password, Expires: time.Unix(int64(one.ExpiresAt), 0)}, nil
}

// codeCommit returns a login that is good for one repository: a signature of the
// request as the credential helpers of CodeCommit make it.
func (a *asking) codeCommit(ctx context.Context, u *url.URL) (GitLogin, error) {
	where, ok := region(codeCommitPattern, u.Host)
	if u.Scheme != "https" || !ok {
		return GitLogin{}, fmt.Errorf("%w: %s is not the https URL of a CodeCommit repository", ErrConfig, redacted(u.String()))
	}
	return obtain(ctx, a, a.key("git", u.String(), where), func(ctx context.Context) (GitLogin, time.Time, error) {
		keys, err := a.awsKeys(ctx, where)
		if err != nil {
			return GitLogin{}, time.Time{}, err
		}
		login := keys.codeCommit(u, where, a.options.Now())
		return login, login.Expires, nil
	})
}

func (k Keys) codeCommit(u *url.URL, region string, now time.Time) GitLogin {
	// This signature knows neither a zone in the time nor a digest of a body.
	stamp := strings.TrimSuffix(now.UTC().Format(sigTime), "Z")
	canonical := "GIT\n" + u.EscapedPath() + "\n\nhost:" + u.Host + "\n\nhost\n"
	signature := k.signature(stamp, sigScope(stamp, region, "codecommit"), canonical)
	login := GitLogin{Username: k.AccessKeyID, Password: stamp + "Z" + signature, Expires: now.Add(codeCommitLife)}
	if k.SessionToken != "" {
		login.Username += "%" + k.SessionToken
	}
	if !k.Expires.IsZero() && k.Expires.Before(login.Expires) {
		login.Expires = k.Expires
	}
	return login
}
