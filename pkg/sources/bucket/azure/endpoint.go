package azure

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// isContainer says whether a text is the name of a container: small letters, digits and
// single dashes between them, or one of those that the system has.
func isContainer(name string) bool {
	switch name {
	case "$root", "$web", "$logs":
		return true
	}
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	return len(name) >= 3 && len(name) <= 63 && !strings.ContainsFunc(name, odd) && !strings.Contains("-"+name+"-", "--")
}

// parse returns the URL of a storage account. Its query belongs to every request.
func parse(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%w: it is not the http or https URL of a storage account", bucket.ErrEndpoint)
	}
	return u, nil
}

// account returns the name of the account, which is the first label of the host or,
// where the host is an address, the first segment of the path.
func account(u *url.URL) (string, error) {
	if net.ParseIP(u.Hostname()) != nil {
		if name, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/"); name != "" {
			return name, nil
		}
	}
	labels := strings.Split(u.Hostname(), ".")
	if len(labels) < 3 || labels[0] == "" || net.ParseIP(u.Hostname()) != nil {
		return "", fmt.Errorf("%w: it does not name the account: expected '%s' to be a subdomain", bucket.ErrEndpoint, u.Hostname())
	}
	return labels[0], nil
}

// merge adds a shared access signature to the query of an endpoint, over which it
// wins.
func merge(u *url.URL, sas string) error {
	values, err := url.ParseQuery(strings.TrimPrefix(strings.TrimSpace(sas), "?"))
	if err != nil || len(values) == 0 {
		return fmt.Errorf("%w: the shared access signature is not a query string", bucket.ErrCredentials)
	}
	for name, own := range u.Query() {
		if !values.Has(name) {
			values[name] = own
		}
	}
	u.RawQuery = values.Encode()
	return nil
}
