package identity

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

const (
	eksPattern = `^arn:aws[\w-]*:eks:([a-z0-9-]{1,40}):[0-9]{1,30}:cluster/([a-zA-Z0-9][\w-]{0,99})$`
	// eksLife is how long EKS accepts a signed question after who one is.
	eksLife = 15 * time.Minute
	// eksHeader binds the signature to a cluster.
	eksHeader = "x-k8s-aws-id"
)

// parseEKS takes the ARN of a cluster apart.
func parseEKS(arn string) (region, name string, err error) {
	if err := CheckCluster(AWS, arn); err != nil {
		return "", "", err
	}
	found := regexp.MustCompile(eksPattern).FindStringSubmatch(arn)
	return found[1], found[2], nil
}

// eks asks where a cluster is:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeCluster.html
func (a *asking) eks(ctx context.Context, arn string) ([]Endpoint, error) {
	region, name, err := parseEKS(arn)
	if err != nil {
		return nil, err
	}
	keys, err := a.awsKeys(ctx, region)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Cluster struct {
			Endpoint             string `json:"endpoint"`
			CertificateAuthority struct {
				Data []byte `json:"data"`
			} `json:"certificateAuthority"`
		} `json:"cluster"`
	}
	k := call{
		doing: "describe the EKS cluster " + arn, url: "https://eks." + region + "." + awsDomain(region) + "/clusters/" + name,
		sign:    func(req *http.Request, body []byte) { keys.Sign(req, body, "eks", region, a.options.Now()) },
		problem: awsProblem, secrets: []string{keys.SessionToken, keys.SecretAccessKey},
	}
	if err := a.decode(ctx, k, &answer); err != nil || answer.Cluster.Endpoint == "" {
		return nil, err
	}
	return []Endpoint{{answer.Cluster.Endpoint, answer.Cluster.CertificateAuthority.Data}}, nil
}

// eksToken returns what EKS takes for a token: a signed URL that answers who signed it.
// https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html
func (a *asking) eksToken(ctx context.Context, arn string) (Token, error) {
	region, name, err := parseEKS(arn)
	if err != nil {
		return Token{}, err
	}
	if a.STSEndpoint != "" {
		if err := CheckSTSEndpoint(a.STSEndpoint); err != nil {
			return Token{}, err
		}
	}
	return obtain(ctx, a, a.key("eks token", arn), func(ctx context.Context) (Token, time.Time, error) {
		keys, err := a.awsKeys(ctx, region)
		if err != nil {
			return Token{}, time.Time{}, err
		}
		endpoint := a.STSEndpoint
		if endpoint == "" {
			endpoint = "https://sts." + region + "." + awsDomain(region)
		}
		now := a.options.Now()
		signed, err := keys.whoAmI(endpoint, region, name, now)
		token := Token{Value: "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(signed)), Expires: now.Add(eksLife)}
		if !keys.Expires.IsZero() && keys.Expires.Before(token.Expires) {
			token.Expires = keys.Expires
		}
		return token, token.Expires, err
	})
}

// whoAmI signs a URL of the token service that answers who signed it, for one cluster:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
func (k Keys) whoAmI(endpoint, region, cluster string, now time.Time) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("%w: the STS endpoint is not a URL", ErrConfig)
	}
	stamp := now.UTC().Format(sigTime)
	scope := sigScope(stamp, region, "sts")
	query := url.Values{
		"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"},
		"X-Amz-Algorithm": {sigAlgorithm}, "X-Amz-Credential": {k.AccessKeyID + "/" + scope}, "X-Amz-Date": {stamp},
		"X-Amz-Expires": {fmt.Sprint(int(eksLife.Seconds()))}, "X-Amz-SignedHeaders": {"host;" + eksHeader},
	}
	if k.SessionToken != "" {
		query.Set("X-Amz-Security-Token", k.SessionToken)
	}
	canonical := "GET\n/\n" + query.Encode() + "\nhost:" + u.Host + "\n" + eksHeader + ":" + cluster + "\n\nhost;" + eksHeader + "\n" + hexSum(nil)
	return "https://" + u.Host + "/?" + query.Encode() + "&X-Amz-Signature=" + k.signature(stamp, scope, canonical), nil
}
