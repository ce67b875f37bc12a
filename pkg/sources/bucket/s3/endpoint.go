package s3

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// place says where the requests of a bucket go.
type place struct {
	scheme, host, region string
}

// amazon is what the host of an endpoint of Amazon S3 says, outside of virtual private
// clouds.
type amazon struct {
	region string // empty in the oldest form
	dual   bool   // stack
	suffix string // of the domain, in China
}

// amazonOf takes a host apart, and says whether it is one of Amazon's.
func amazonOf(host string) (a amazon, ok bool) {
	if rest, china := strings.CutSuffix(host, ".cn"); china {
		host, a.suffix = rest, ".cn"
	}
	middle, ok := strings.CutSuffix(host, ".amazonaws.com")
	rest, also := strings.CutPrefix(middle, "s3")
	if !ok || !also {
		return a, false
	}
	rest, a.dual = strings.CutPrefix(rest, ".dualstack")
	if rest == "" {
		return a, true
	}
	a.region = rest[1:]
	return a, strings.IndexByte(".-", rest[0]) >= 0 && isRegion(a.region)
}

// isName says whether a text may be part of a host or a path, as the name of a bucket.
// The rules of the providers are narrower.
func isName(name string) bool {
	return len(name) >= 2 && len(name) <= 255 && strings.IndexByte("._:-", name[0]) < 0 &&
		only(name, "._:-ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// isRegion says whether a text may be a region, and thus part of a host.
func isRegion(name string) bool { return name != "" && len(name) <= 64 && only(name, "-") }

// only says whether a text has but small letters, digits and others.
func only(text, others string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
	})
}

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
	if a, ok := amazonOf(p.host); ok {
		if p.region == "" && a.region != "external-1" {
			p.region = a.region
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
	a, ok := amazonOf(p.host)
	if !ok || !isRegion(region) || region == defaultRegion && a.region == "" {
		return
	}
	dual := ""
	if a.dual {
		dual = "dualstack."
	}
	p.host = "s3." + dual + region + ".amazonaws.com" + a.suffix
}

// byName says whether the provider wants the bucket in the host name. Over https a name
// with dots would not match the certificate.
func (p place) byName(name string) bool {
	if p.scheme == "https" && strings.Contains(name, ".") || strings.ContainsAny(name, "_:") || net.ParseIP(p.host) != nil {
		return false
	}
	_, ok := amazonOf(p.host)
	return ok || p.google() ||
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
