package s3

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// place says where the requests of a bucket go.
type place struct {
	scheme, host, region string
}

// amazon matches the hosts of Amazon S3 outside of virtual private clouds. The region is
// missing in the oldest form.
var amazon = regexp.MustCompile(`^s3(?:\.dualstack)?(?:[.-]([a-z0-9-]+))?\.amazonaws\.com(\.cn)?$`)

// bucketName is what may be part of a host or a path; the rules of the providers are
// narrower.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{1,254}$`)

// defaultRegion is where buckets are of which nothing else is known.
const defaultRegion = "us-east-1"

// placeOf returns where an endpoint is, which is a host with or without a port.
func placeOf(endpoint, region string, insecure bool) (place, error) {
	p := place{scheme: "https", host: strings.ToLower(endpoint), region: region}
	if insecure {
		p.scheme = "http"
	}
	u, err := url.Parse(p.scheme + "://" + endpoint)
	if err != nil || u.Hostname() == "" || u.Host != endpoint || strings.HasSuffix(u.Host, ":") {
		return p, fmt.Errorf("%w: %q is not a host with or without a port", bucket.ErrEndpoint, bucket.Clean(endpoint))
	}
	if part := amazon.FindStringSubmatch(p.host); part != nil {
		if p.region == "" && part[1] != "external-1" {
			p.region = part[1]
		}
		if p.region != "" {
			p.move(p.region)
		}
	}
	if p.region == "" {
		p.region = defaultRegion
	}
	return p, nil
}

// move goes to another region. Only Amazon has a host for each; it may never be one of
// anybody else.
func (p *place) move(region string) {
	p.region = region
	part := amazon.FindStringSubmatch(p.host)
	if part == nil || !regionName.MatchString(region) || region == defaultRegion && part[1] == "" {
		return
	}
	dual := ""
	if strings.HasPrefix(p.host, "s3.dualstack.") {
		dual = "dualstack."
	}
	p.host = "s3." + dual + region + ".amazonaws.com" + part[2]
}

var regionName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// byName says whether the provider wants the bucket in the host name. Over https a name
// with dots would not match the certificate.
func (p place) byName(name string) bool {
	if p.scheme == "https" && strings.Contains(name, ".") || strings.ContainsAny(name, "_:") || net.ParseIP(p.host) != nil {
		return false
	}
	return amazon.MatchString(p.host) || p.google() ||
		strings.HasPrefix(p.host, "oss-") && strings.HasSuffix(p.host, ".aliyuncs.com")
}

// google says whether the endpoint is that of Google, which lists as S3 once did.
func (p place) google() bool { return p.host == "storage.googleapis.com" }

// url returns that of a key, or of the bucket itself if it is empty.
func (p place) url(name, key, query string) *url.URL {
	u := &url.URL{Scheme: p.scheme, Host: p.host, Path: "/" + name + "/" + key, RawQuery: query}
	if p.byName(name) {
		u.Host, u.Path = name+"."+p.host, "/"+key
	}
	u.RawPath = bucket.Escape(u.Path, "/")
	return u
}
