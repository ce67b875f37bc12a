package attempt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
)

var errNoCertificates = errors.New("there is neither ca.crt nor tls.crt and tls.key")

// TLSOf returns the TLS settings among the data of a Secret, nil if there are none:
// ca.crt, and tls.crt with tls.key, or by their older names caFile, certFile and
// keyFile. Authorities are added to those of the system. Errors name the key.
func TLSOf(data map[string][]byte) (*tls.Config, error) {
	ca := first(data, "ca.crt", "caFile")
	cert, key := first(data, "tls.crt", "certFile"), first(data, "tls.key", "keyFile")
	if (len(cert) == 0) != (len(key) == 0) {
		return nil, errors.New("tls.crt and tls.key need each other")
	}
	if len(ca) == 0 && len(cert) == 0 {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		roots, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("read the root certificates of the system: %w", err)
		}
		if !roots.AppendCertsFromPEM(ca) {
			return nil, errors.New("ca.crt holds no certificate")
		}
		config.RootCAs = roots
	}
	if len(cert) > 0 {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, errors.New("tls.crt and tls.key are not a certificate and its key")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func first(data map[string][]byte, keys ...string) []byte {
	for _, key := range keys {
		if value := data[key]; len(value) > 0 {
			return value
		}
	}
	return nil
}

// maxProxyURL is the longest address of a proxy, in characters.
const maxProxyURL = 2048

// ProxyOf returns the proxy that the data of a Secret describe: address, and with
// it username and password. Errors name the key and show no value.
func ProxyOf(data map[string][]byte) (*url.URL, error) {
	address := string(data["address"])
	if address == "" {
		return nil, errors.New("the key address is missing or empty")
	}
	if len(address) > maxProxyURL {
		return nil, fmt.Errorf("address has more than %d characters", maxProxyURL)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("address is not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5":
	default:
		return nil, fmt.Errorf("address has the scheme %q, which is none of http, https, socks5", u.Scheme)
	}
	if user := string(data["username"]); user != "" {
		u.User = url.User(user)
		if password, ok := data["password"]; ok {
			u.User = url.UserPassword(user, string(password))
		}
	}
	return u, nil
}

// RedactURL returns a URL without what might be a secret in it: the password, and
// the query.
func RedactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "<unparsable>"
	}
	if u.RawQuery != "" {
		u.RawQuery = "redacted"
	}
	return u.Redacted()
}
