package identity

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// localKeys is how metadata servers of AWS tell keys.
type localKeys struct {
	AccessKeyId, SecretAccessKey, Token string
	Expiration                          time.Time
}

func (k localKeys) keys() (Keys, error) {
	if k.AccessKeyId == "" || k.SecretAccessKey == "" {
		return Keys{}, errNoKeys
	}
	return Keys{k.AccessKeyId, k.SecretAccessKey, k.Token, k.Expiration}, nil
}

// awsContainer asks the agent of EKS Pod Identity, or that of ECS:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
func (a *asking) awsContainer(ctx context.Context) (Keys, error) {
	const doing = "get the credentials of the container"
	endpoint := a.options.Env("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if path := a.options.Env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		endpoint = "http://169.254.170.2" + path
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !localHost(u.Hostname())) {
		return Keys{}, fmt.Errorf("%w: AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor the agent of this machine", ErrConfig)
	}
	token := a.options.Env("AWS_CONTAINER_AUTHORIZATION_TOKEN")
	if a.options.Env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") != "" {
		if token, err = a.file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); err != nil {
			return Keys{}, err
		}
	}
	k := call{doing: doing, url: endpoint, local: true, problem: awsProblem, secrets: []string{token}}
	if token != "" {
		k.header = map[string]string{"Authorization": token}
	}
	var answer localKeys
	if err := a.decode(ctx, k, &answer); err != nil {
		return Keys{}, err
	}
	keys, err := answer.keys()
	if err != nil {
		return keys, fmt.Errorf("%s: %w", doing, err)
	}
	return keys, nil
}

// localHost says whether a host is one of those where agents listen.
func localHost(host string) bool {
	return strings.HasPrefix(host, "127.") ||
		slices.Contains([]string{"localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"}, host)
}

// awsInstance asks the metadata server of EC2, version 2, for the role of the
// instance:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
func (a *asking) awsInstance(ctx context.Context) (Keys, error) {
	base := a.options.Env("AWS_EC2_METADATA_SERVICE_ENDPOINT")
	if base == "" {
		base = "http://169.254.169.254"
	}
	base = strings.TrimSuffix(base, "/") + "/latest/"
	const doing = "ask the instance for its role"
	session, err := a.answerOf(ctx, call{
		doing: doing, method: http.MethodPut, url: base + "api/token", local: true,
		header: map[string]string{"X-aws-ec2-metadata-token-ttl-seconds": "300"},
	})
	if err != nil {
		return Keys{}, err
	}
	get := func(path string) call {
		return call{
			doing: doing, url: base + "meta-data/iam/security-credentials/" + path, local: true,
			header: map[string]string{"X-aws-ec2-metadata-token": string(session)}, secrets: []string{string(session)},
		}
	}
	roles, err := a.answerOf(ctx, get(""))
	if err != nil {
		return Keys{}, err
	}
	role, _, _ := strings.Cut(strings.TrimSpace(string(roles)), "\n")
	if role == "" {
		return Keys{}, fmt.Errorf("%s: %w", doing, errNoKeys)
	}
	var answer localKeys
	if err := a.decode(ctx, get(url.PathEscape(role)), &answer); err != nil {
		return Keys{}, err
	}
	keys, err := answer.keys()
	if err != nil {
		return keys, fmt.Errorf("%s: %w", doing, err)
	}
	return keys, nil
}
