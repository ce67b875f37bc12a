package identity

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// The example of the documentation of AWS.
func TestSignRequest(t *testing.T) {
	req, err := http.NewRequest(http.MethodGet, "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	keys := Keys{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	keys.Sign(req, nil, "iam", "us-east-1", time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC))
	const want = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, " +
		"SignedHeaders=content-type;host;x-amz-date, " +
		"Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
	if got := req.Header.Get("Authorization"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCodeCommitSignature(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		keys     Keys
		url      string
		user     string
		password string
		expires  time.Time
	}{
		"keys of a session": {
			keys: Keys{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "tok/en+=", Expires: at.Add(time.Hour)},
			url:  "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/my repo", user: "ASIAEXAMPLE%tok/en+=",
			password: "20260701T120000Z7bb65cc15b18ef4aecb05cd300ddbf07fc3ce3db474e5ad8240dfd8922739e2d", expires: at.Add(15 * time.Minute),
		},
		"keys that end soon": {
			keys: Keys{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "t", Expires: at.Add(time.Minute)},
			url:  "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app", user: "ASIAEXAMPLE%t",
			password: "20260701T120000Zef95ad4b2af14be6e08b223d7ec6c0316ab68ff0232d721feae232eef808ec53", expires: at.Add(time.Minute),
		},
		"keys for ever": {
			keys: Keys{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "secret"},
			url:  "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app", user: "AKIAEXAMPLE",
			password: "20260701T120000Zef95ad4b2af14be6e08b223d7ec6c0316ab68ff0232d721feae232eef808ec53", expires: at.Add(15 * time.Minute),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(test.url)
			if err != nil {
				t.Fatal(err)
			}
			got := test.keys.codeCommit(u, "eu-west-1", at)
			if want := (GitLogin{Username: test.user, Password: test.password, Expires: test.expires}); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}
