package decrypt

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"

	"github.com/fluxd/fluxd/pkg/identity"
)

var awsRole = pattern(`^arn:(aws|aws-us-gov|aws-cn):iam::[0-9]+:role/[A-Za-z0-9+=,.@/_-]+$`)

// assume returns the keys of the role that a file asks for, which whoever has keys
// must be allowed to assume:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (q query) assume(ctx context.Context, keys identity.Keys, region, domain string) (identity.Keys, error) {
	if !awsRole().MatchString(q.key.role) {
		return keys, unusable("role")
	}
	body := []byte(url.Values{
		"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {q.key.role}, "RoleSessionName": {"sops@fluxd"},
	}.Encode())
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	answer, err := q.Services.send(ctx, "https://sts."+region+"."+domain+"/", header, body, func(r *http.Request) {
		keys.Sign(r, body, "sts", region, q.Services.config.Now())
	})
	if err != nil {
		return keys, err
	}
	var assumed struct {
		ID      string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret  string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Session string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	if xml.Unmarshal(answer, &assumed) != nil || assumed.ID == "" || assumed.Secret == "" {
		return keys, errAnswer
	}
	return identity.Keys{AccessKeyID: assumed.ID, SecretAccessKey: assumed.Secret, SessionToken: assumed.Session}, nil
}
