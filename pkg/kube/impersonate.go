package kube

import (
	"errors"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// ErrAccountName says that something is not the name of a service account.
var ErrAccountName = errors.New("not the name of a service account")

// AccountUser returns the user name of a service account. Only names that one can
// have are accepted: any other would make a user of its own kind of it.
func AccountUser(namespace, name string) (string, error) {
	if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return "", fmt.Errorf("%q in namespace %q: %w", name, namespace, ErrAccountName)
	}
	return "system:serviceaccount:" + namespace + ":" + name, nil
}

// As returns clients that act as a user, over the connections of c. How kinds are
// served is asked as c and shared with it. The API server decides whether c may act
// as the user, and adds the groups of a service account itself.
func (c *Clients) As(user string) (*Clients, error) {
	base := c.http.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	as := transport.ImpersonationConfig{UserName: user}
	other := *c
	other.config = rest.CopyConfig(c.config)
	other.config.Impersonate = rest.ImpersonationConfig{UserName: user}
	other.http = &http.Client{
		Transport: transport.NewImpersonatingRoundTripper(as, base),
		Timeout:   c.http.Timeout, CheckRedirect: c.http.CheckRedirect,
	}
	var err error
	if other.Dynamic, err = dynamic.NewForConfigAndClient(other.config, other.http); err != nil {
		return nil, fmt.Errorf("set up the connection as %s: %w", user, err)
	}
	return &other, nil
}
