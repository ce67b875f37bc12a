package s3

import (
	"errors"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

func TestWhereRequestsGo(t *testing.T) {
	for name, tt := range map[string]struct {
		endpoint, region, bucket string
		insecure                 bool
		url, signed              string
	}{
		"a server of one's own":           {"minio.example.com:9000", "", "apps", true, "http://minio.example.com:9000/apps/k", "us-east-1"},
		"an address":                      {"127.0.0.1:9000", "eu", "apps", false, "https://127.0.0.1:9000/apps/k", "eu"},
		"an address of version 6":         {"[::1]:9000", "", "apps", false, "https://[::1]:9000/apps/k", "us-east-1"},
		"Amazon":                          {"s3.amazonaws.com", "", "apps", false, "https://apps.s3.amazonaws.com/k", "us-east-1"},
		"Amazon and a region":             {"s3.amazonaws.com", "eu-west-1", "apps", false, "https://apps.s3.eu-west-1.amazonaws.com/k", "eu-west-1"},
		"Amazon, with the region in it":   {"s3.eu-west-1.amazonaws.com", "", "apps", false, "https://apps.s3.eu-west-1.amazonaws.com/k", "eu-west-1"},
		"Amazon, with a dash":             {"s3-eu-west-1.amazonaws.com", "", "apps", false, "https://apps.s3.eu-west-1.amazonaws.com/k", "eu-west-1"},
		"Amazon, dual stack":              {"s3.dualstack.eu-west-1.amazonaws.com", "", "apps", false, "https://apps.s3.dualstack.eu-west-1.amazonaws.com/k", "eu-west-1"},
		"Amazon in China":                 {"s3.cn-north-1.amazonaws.com.cn", "", "apps", false, "https://apps.s3.cn-north-1.amazonaws.com.cn/k", "cn-north-1"},
		"a name with dots at Amazon":      {"s3.amazonaws.com", "", "my.apps", false, "https://s3.amazonaws.com/my.apps/k", "us-east-1"},
		"Google":                          {"storage.googleapis.com", "", "apps", false, "https://apps.storage.googleapis.com/k", "us-east-1"},
		"Aliyun":                          {"oss-cn-hangzhou.aliyuncs.com", "", "apps", false, "https://apps.oss-cn-hangzhou.aliyuncs.com/k", "us-east-1"},
		"a host that merely begins alike": {"s3.eu-west-1.amazonaws.com.evil.example", "", "apps", false, "https://s3.eu-west-1.amazonaws.com.evil.example/apps/k", "us-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := placeOf(tt.endpoint, tt.region, tt.insecure)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.url(tt.bucket, "k", "").String(); got != tt.url || p.region != tt.signed {
				t.Errorf("the URL is %s and the region %s, want %s and %s", got, p.region, tt.url, tt.signed)
			}
		})
	}
}

func TestUnusableEndpoints(t *testing.T) {
	for _, endpoint := range []string{"", "http://minio:9000", "minio:9000/path", "user:pw@minio", "minio:", "a b", "minio?x", "mi\x00nio"} {
		if _, err := New(Config{Endpoint: endpoint, Bucket: "apps"}); !errors.Is(err, bucket.ErrEndpoint) {
			t.Errorf("%q is %v", endpoint, err)
		}
	}
	for _, name := range []string{"", "..", "a/b", "a", "a?b", "-x"} {
		if _, err := New(Config{Endpoint: "minio", Bucket: name}); !errors.Is(err, bucket.ErrName) {
			t.Errorf("the bucket %q is %v", name, err)
		}
	}
}

func TestOnlyAmazonMovesToAnotherHost(t *testing.T) {
	for name, tt := range map[string]struct{ endpoint, region, want string }{
		"another region of Amazon": {"s3.amazonaws.com", "eu-west-1", "s3.eu-west-1.amazonaws.com"},
		"a server of one's own":    {"minio:9000", "eu-west-1", "minio:9000"},
		"a region that is a host":  {"s3.amazonaws.com", "evil.example/", "s3.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := placeOf(tt.endpoint, "", false)
			if err != nil {
				t.Fatal(err)
			}
			if p.move(tt.region); p.host != tt.want {
				t.Errorf("the host is %s, want %s", p.host, tt.want)
			}
		})
	}
}
