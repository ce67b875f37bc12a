package identity

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	annotationRole = "eks.amazonaws.com/role-arn"
	awsAudience    = "sts.amazonaws.com"
	// maxSessionName is how long the name of a session may be.
	maxSessionName = 64
)

// The forms of what is told from outside.
const (
	rolePattern = `^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$`
	stsPattern  = `^https://(.+\.)?sts(-fips)?(\.[^.]+)?(\.vpce)?\.amazonaws\.com$`
)

// patterns are compiled when they are first needed.
func matches(pattern, text string) bool {
	return regexp.MustCompile(pattern).MatchString(text)
}

// CheckSTSEndpoint refuses what is not a token service of AWS. The error is
// [ErrConfig].
func CheckSTSEndpoint(endpoint string) error {
	// The beginning of the pattern is generous: it must not hide another host.
	if u, err := url.Parse(endpoint); err != nil || u.User != nil || u.Host != strings.TrimPrefix(endpoint, "https://") ||
		!matches(stsPattern, endpoint) {
		return fmt.Errorf("%w: invalid STS endpoint: '%s'. must match %s", ErrConfig, redacted(endpoint), stsPattern)
	}
	return nil
}

// awsKeys returns keys of the ServiceAccount's role, or of the process.
func (a *asking) awsKeys(ctx context.Context, region string) (Keys, error) {
	if region == "" && a.account == nil {
		region = a.options.Env("AWS_REGION")
	}
	switch {
	case region == "" && a.account == nil:
		return Keys{}, fmt.Errorf("%w: the environment variable AWS_REGION is not set: annotate the service account of the "+
			"Deployment for IRSA or EKS Pod Identity and restart its Pod, or set the variable", ErrConfig)
	case region == "":
		return Keys{}, fmt.Errorf("%w: an AWS region is required for authenticating with a service account", ErrConfig)
	case !matches(`^[a-z0-9-]{1,40}$`, region):
		return Keys{}, fmt.Errorf("%w: '%s' is not an AWS region", ErrConfig, plain(region))
	}
	if a.STSEndpoint != "" {
		if err := CheckSTSEndpoint(a.STSEndpoint); err != nil {
			return Keys{}, err
		}
	}
	if a.account != nil && !matches(rolePattern, a.account.annotations[annotationRole]) {
		return Keys{}, fmt.Errorf("%w: service account '%s': invalid %s annotation: '%s'. must match %s",
			ErrConfig, a.account, annotationRole, plain(a.account.annotations[annotationRole]), rolePattern)
	}
	return obtain(ctx, a, a.key("keys", region), func(ctx context.Context) (Keys, time.Time, error) {
		keys, err := a.newAWSKeys(ctx, region)
		return keys, keys.Expires, err
	})
}

func (a *asking) newAWSKeys(ctx context.Context, region string) (Keys, error) {
	if a.account == nil {
		return a.awsProcess(ctx, region)
	}
	token, err := a.token(ctx, awsAudience)
	if err != nil {
		return Keys{}, err
	}
	session := a.account.name + "." + a.account.namespace + "." + region + ".fluxcd.io"
	return a.assumeRole(ctx, region, a.account.annotations[annotationRole], session, token)
}

// awsProcess returns the keys of the process, from the first of the places that
// the SDKs of AWS look at in which there is something: keys in the environment, a
// web identity, a container's credentials, the instance.
func (a *asking) awsProcess(ctx context.Context, region string) (Keys, error) {
	env := a.options.Env
	switch {
	case env("AWS_ACCESS_KEY_ID") != "" && env("AWS_SECRET_ACCESS_KEY") != "":
		return Keys{
			AccessKeyID: env("AWS_ACCESS_KEY_ID"), SecretAccessKey: env("AWS_SECRET_ACCESS_KEY"),
			SessionToken: env("AWS_SESSION_TOKEN"),
		}, nil
	case env("AWS_WEB_IDENTITY_TOKEN_FILE") != "" && env("AWS_ROLE_ARN") != "":
		token, err := a.file("AWS_WEB_IDENTITY_TOKEN_FILE")
		if err != nil {
			return Keys{}, err
		}
		session := env("AWS_ROLE_SESSION_NAME")
		if session == "" {
			session = "fluxd." + region
		}
		return a.assumeRole(ctx, region, env("AWS_ROLE_ARN"), session, token)
	case env("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "" || env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		return a.awsContainer(ctx)
	case strings.EqualFold(env("AWS_EC2_METADATA_DISABLED"), "true"):
		return Keys{}, fmt.Errorf("%w: the environment names no identity of AWS, and the metadata server is switched off", ErrConfig)
	}
	return a.awsInstance(ctx)
}

// assumeRole exchanges a token for the keys of a role:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func (a *asking) assumeRole(ctx context.Context, region, role, session, token string) (Keys, error) {
	endpoint := a.STSEndpoint
	if endpoint == "" {
		endpoint = "https://sts." + region + "." + awsDomain(region)
	}
	body, err := a.answerOf(ctx, call{
		doing: "assume the role " + role, method: http.MethodPost, url: endpoint + "/",
		form: url.Values{
			"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {role},
			"RoleSessionName": {session[:min(len(session), maxSessionName)]}, "WebIdentityToken": {token},
		},
		header:  map[string]string{"Accept": "application/xml"},
		problem: awsProblem, secrets: []string{token},
	})
	if err != nil {
		return Keys{}, err
	}
	var answer struct {
		Result struct {
			Credentials struct {
				AccessKeyId, SecretAccessKey, SessionToken string
				Expiration                                 time.Time
			}
		} `xml:"AssumeRoleWithWebIdentityResult"`
	}
	c := &answer.Result.Credentials
	if xml.Unmarshal(body, &answer) != nil || c.AccessKeyId == "" || c.SecretAccessKey == "" {
		return Keys{}, fmt.Errorf("assume the role %s: the answer has no credentials", role)
	}
	return Keys{c.AccessKeyId, c.SecretAccessKey, c.SessionToken, c.Expiration}, nil
}

// awsProblem returns the code and message of an error, in XML or JSON.
func awsProblem(body []byte) string {
	var answer struct {
		Error struct{ Code, Message string }
	}
	if xml.Unmarshal(body, &answer) == nil && answer.Error.Code != "" {
		return answer.Error.Code + ": " + answer.Error.Message
	}
	kind, message := field(body, "__type", "code", "Code"), field(body, "message", "Message")
	_, short, ok := strings.Cut(kind, "#")
	if ok {
		kind = short
	}
	return strings.TrimPrefix(kind+": "+message, ": ")
}

// awsDomain returns the domain of the services of a region, which depends on its
// partition.
func awsDomain(region string) string {
	for _, p := range []struct{ prefix, domain string }{
		{"cn-", "amazonaws.com.cn"}, {"us-isob-", "sc2s.sgov.gov"}, {"us-isof-", "csp.hci.ic.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"}, {"us-iso-", "c2s.ic.gov"}, {"eusc-", "amazonaws.eu"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.domain
		}
	}
	return "amazonaws.com"
}

// errNoKeys says that a metadata server had nothing to say.
var errNoKeys = errors.New("the answer has no credentials")
