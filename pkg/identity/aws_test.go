package identity_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/identity"
)

const role = "arn:aws:iam::123456789012:role/puller"

func roleAccount(w *world) identity.Request {
	return w.account(identity.AWS, map[string]string{"eks.amazonaws.com/role-arn": role})
}

func TestAWSKeysOfTheProcess(t *testing.T) {
	tests := map[string]struct {
		env   map[string]string
		files func(w *world) map[string]string
		hosts []string
		who   string
	}{
		"keys in the environment": {
			env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "AWS_ROLE_ARN": role},
		},
		"a web identity": {
			env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": role},
			files: func(w *world) map[string]string {
				return map[string]string{"/token": w.fake.Issue("the Pod", "sts.amazonaws.com") + "\n"}
			},
			hosts: []string{"sts.eu-west-1.amazonaws.com"}, who: role + " by the Pod for sts.amazonaws.com",
		},
		"the agent of EKS": {
			env: map[string]string{
				"AWS_CONTAINER_CREDENTIALS_FULL_URI":     "http://169.254.170.23/v1/credentials",
				"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token",
			},
			files: func(w *world) map[string]string {
				return map[string]string{"/token": w.fake.Issue("the Pod", "pods.eks.amazonaws.com")}
			},
			hosts: []string{"169.254.170.23"}, who: "the Pod for pods.eks.amazonaws.com",
		},
		"the instance": {
			hosts: []string{"169.254.169.254", "169.254.169.254", "169.254.169.254"}, who: "node-role",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.env = test.env
			if test.files != nil {
				w.files = test.files(w)
			}
			keys, err := w.AWSKeys(t.Context(), identity.Request{}, "eu-west-1")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.hosts, w.fake.Hosts()); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
			if test.who == "" {
				if want := (identity.Keys{AccessKeyID: "AKIA", SecretAccessKey: "s", SessionToken: "t"}); keys != want {
					t.Errorf("got %+v, want %+v", keys, want)
				}
				return
			}
			if !keys.Expires.Equal(now.Add(time.Hour)) || keys.SessionToken == "" {
				t.Errorf("got %+v", keys)
			}
			login, err := w.Registry(t.Context(), identity.Request{Provider: identity.AWS}, "1.dkr.ecr.eu-west-1.amazonaws.com")
			if err != nil || login.Password != "login of "+test.who {
				t.Errorf("the keys are those of %q (%v), want %q", login.Password, err, test.who)
			}
		})
	}
}

func TestAWSRegistries(t *testing.T) {
	w := newWorld(t)
	r := roleAccount(w)
	r.Proxy = &url.URL{Scheme: "http", Host: "proxy:3128"}
	for repository, region := range map[string]string{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app": "eu-west-1",
		"123456789012.dkr.ecr-fips.us-west-2.amazonaws.com":     "us-west-2",
		"public.ecr.aws/bitnami/nginx":                          "us-east-1",
	} {
		login, err := w.Registry(t.Context(), r, repository)
		if err != nil {
			t.Errorf("%s: %v", repository, err)
			continue
		}
		want := identity.Login{
			Username: "AWS", Password: "login of " + role + " by cluster token of apps/sa for sts.amazonaws.com", Expires: now.Add(time.Hour),
		}
		if !login.Expires.Equal(want.Expires) || login.Username != want.Username || login.Password != want.Password {
			t.Errorf("%s: got %+v, want %+v", repository, login, want)
		}
		calls := w.fake.Calls()
		if len(calls) != 2 || !strings.Contains(calls[0].URL, "//sts."+region+".amazonaws.com/") {
			t.Fatalf("%s: calls %v", repository, calls)
		}
		if got, want := calls[0].Form.Get("RoleSessionName"), "sa.apps."+region+".fluxcd.io"; got != want {
			t.Errorf("%s: session name %s, want %s", repository, got, want)
		}
		for _, call := range calls {
			if call.Proxy != "http://proxy:3128" {
				t.Errorf("%s went through %q", call.URL, call.Proxy)
			}
		}
	}
}

func TestAWSRefuses(t *testing.T) {
	tests := map[string]struct {
		env        map[string]string
		role       string
		endpoint   string
		region     string
		repository string
	}{
		"no region":                              {role: role, repository: "-"},
		"a region that is a host":                {role: role, region: "evil.example.com/", repository: "-"},
		"no annotation":                          {region: "eu-west-1", repository: "-"},
		"an annotation that is no role":          {role: "arn:aws:iam::1:user/x", region: "eu-west-1", repository: "-"},
		"another host as STS endpoint":           {role: role, region: "eu-west-1", endpoint: "https://sts.evil.example.com", repository: "-"},
		"an STS endpoint with the host in it":    {role: role, region: "eu-west-1", endpoint: "https://evil.example.com/?x=.sts.amazonaws.com", repository: "-"},
		"an STS endpoint behind user info":       {role: role, region: "eu-west-1", endpoint: "https://a:b@evil.example.com/.sts.amazonaws.com", repository: "-"},
		"an STS endpoint without TLS":            {role: role, region: "eu-west-1", endpoint: "http://sts.amazonaws.com", repository: "-"},
		"a registry of nobody":                   {role: role, repository: "registry.example.com/app"},
		"a registry that begins like a true":     {role: role, repository: "1.dkr.ecr.eu-west-1.amazonaws.com.evil.example.com/app"},
		"a registry that ends like a true":       {role: role, repository: "evil.example.com#1.dkr.ecr.eu-west-1.amazonaws.com"},
		"a metadata server that is switched off": {env: map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, region: "eu-west-1", repository: "-"},
		"an agent elsewhere": {
			env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.example.com/"}, region: "eu-west-1", repository: "-",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.env = test.env
			r := w.account(identity.AWS, map[string]string{"eks.amazonaws.com/role-arn": test.role})
			r.STSEndpoint = test.endpoint
			if test.env != nil {
				r.ServiceAccount = ""
			}
			var err error
			if test.repository == "-" {
				_, err = w.AWSKeys(t.Context(), r, test.region)
			} else {
				_, err = w.Registry(t.Context(), r, test.repository)
			}
			if !errors.Is(err, identity.ErrConfig) {
				t.Errorf("got %v, want ErrConfig", err)
			}
			if hosts := w.fake.Hosts(); len(hosts) > 0 {
				t.Errorf("called %v", hosts)
			}
		})
	}
}

func TestSTSEndpointOfAVPC(t *testing.T) {
	w := newWorld(t)
	r := roleAccount(w)
	r.STSEndpoint = "https://vpce-0a1b.sts.us-east-1.vpce.amazonaws.com"
	if _, err := w.AWSKeys(t.Context(), r, "us-east-1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"vpce-0a1b.sts.us-east-1.vpce.amazonaws.com"}, w.fake.Hosts()); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

func TestLongSessionNamesAreCut(t *testing.T) {
	w := newWorld(t)
	name := strings.Repeat("n", 70)
	w.fake.Annotations["apps/"+name] = map[string]string{"eks.amazonaws.com/role-arn": role}
	r := identity.Request{Namespace: "apps", ServiceAccount: name}
	if _, err := w.AWSKeys(t.Context(), r, "eu-west-1"); err != nil {
		t.Error(err)
	}
}

func TestCodeCommit(t *testing.T) {
	w := newWorld(t)
	r := roleAccount(w)
	u, err := url.Parse("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app")
	if err != nil {
		t.Fatal(err)
	}
	login, err := w.Git(t.Context(), r, u)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(login.Username, "ASIA") || !strings.Contains(login.Username, "%session-") ||
		!strings.HasPrefix(login.Password, "20260701T120000Z") || !login.Expires.Equal(now.Add(15*time.Minute)) {
		t.Errorf("got %+v", login)
	}
	for _, bad := range []string{
		"http://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app", "https://github.com/fluxcd/flux2",
		"https://git-codecommit.eu-west-1.amazonaws.com.evil.example.com/", "https://git-codecommit.bucket.s3.amazonaws.com/",
		"https://git-codecommit.eu-west-1.amazonaws.com:8443/x",
	} {
		u, err := url.Parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Git(t.Context(), r, u); !errors.Is(err, identity.ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", bad, err)
		}
	}
}

// The answers of the cloud that are not credentials.
func TestAWSAnswersNo(t *testing.T) {
	w := newWorld(t)
	r := roleAccount(w)
	refuse := func(status int, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status); _, _ = rw.Write([]byte(body)) }
	}
	w.fake.Handle("sts.eu-west-1.amazonaws.com", refuse(403,
		"<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>"))
	_, err := w.AWSKeys(t.Context(), r, "eu-west-1")
	const want = "assume the role " + role + ": refused: sts.eu-west-1.amazonaws.com answered 403 Forbidden: " +
		"AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"
	if !errors.Is(err, identity.ErrRefused) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	w.fake.Handle("sts.eu-west-1.amazonaws.com", refuse(200, "<AssumeRoleWithWebIdentityResponse/>"))
	if _, err := w.AWSKeys(t.Context(), r, "eu-west-1"); err == nil {
		t.Error("an answer without keys is accepted")
	}
	for name, body := range map[string]string{
		"nothing": "", "an empty list": `{"authorizationData":[]}`, "no colon": `{"authorizationData":[{"authorizationToken":"eA==","expiresAt":1}]}`,
		"no end": `{"authorizationData":[{"authorizationToken":"QVdTOng="}]}`,
	} {
		w.fake.Handle("api.ecr.us-east-1.amazonaws.com", refuse(200, body))
		if _, err := w.Registry(t.Context(), r, "1.dkr.ecr.us-east-1.amazonaws.com"); err == nil {
			t.Errorf("%s: an answer without a login is accepted", name)
		}
	}
}
