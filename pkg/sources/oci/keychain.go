package oci

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Credential is the right to read from a registry. The zero value is none.
type Credential struct {
	Username, Password string
	// IdentityToken is exchanged for access tokens at the token service; it is
	// used in place of the password.
	IdentityToken string
	// RegistryToken is sent to the registry as it is.
	RegistryToken string
}

// Keychain holds credentials by where they may be used.
type Keychain []Entry

// Entry is a credential and where it may be used.
type Entry struct {
	// Location is host[:port][/path]. A label of the host may be a pattern such as
	// *, and the path includes all that is below it.
	Location string
	Credential
}

// Static returns a keychain with one credential for a registry.
func Static(registry string, c Credential) Keychain {
	return Keychain{{Location: registry, Credential: c}}
}

// For returns the credential for a repository, the zero value if there is none.
// Where several match, that of the longest path is used, and of these the one of
// the most specific host; among equals the first.
func (k Keychain) For(n Name) Credential {
	var best Entry
	rank := -1
	for _, e := range k {
		host, below, _ := strings.Cut(e.Location, "/")
		if !matchHost(host, n.Registry) || !within(n.Path, below) {
			continue
		}
		if r := 2 * len(below); r+exact(host) > rank {
			best, rank = e, r+exact(host)
		}
	}
	return best.Credential
}

// Has says whether there is a credential for exactly the host of a registry.
func (k Keychain) Has(registry string) bool {
	return slices.ContainsFunc(k, func(e Entry) bool {
		host, _, _ := strings.Cut(e.Location, "/")
		return host == registry
	})
}

func exact(host string) int {
	if strings.ContainsAny(host, "*?[") {
		return 0
	}
	return 1
}

// within says whether a path is another one or below it.
func within(name, above string) bool {
	return above == "" || name == above || strings.HasPrefix(name, above+"/")
}

// matchHost compares label by label, so that * never crosses a dot, and the port.
func matchHost(pattern, host string) bool {
	if strings.HasPrefix(host, "[") { // an IPv6 address has no patterns
		return pattern == host
	}
	patternHost, patternPort, _ := strings.Cut(pattern, ":")
	name, port, _ := strings.Cut(host, ":")
	if patternPort != port {
		return false
	}
	patterns, labels := strings.Split(patternHost, "."), strings.Split(name, ".")
	if len(patterns) != len(labels) {
		return false
	}
	for i, p := range patterns {
		if ok, err := path.Match(p, labels[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// secrets returns what must not be seen.
func (k Keychain) secrets() []string {
	var all []string
	for _, e := range k {
		for _, s := range []string{e.Password, e.IdentityToken, e.RegistryToken} {
			if s == "" {
				continue
			}
			all = append(all, s, base64.StdEncoding.EncodeToString([]byte(e.Username+":"+s)))
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

// Keys of pull Secrets.
const (
	dockerConfigJSON = ".dockerconfigjson"
	dockerConfig     = ".dockercfg"
)

// ParsePullSecret reads the data of a Secret of type kubernetes.io/dockerconfigjson
// or of the older kubernetes.io/dockercfg. Errors repeat nothing of the data.
func ParsePullSecret(data map[string][]byte) (Keychain, error) {
	if raw, ok := data[dockerConfigJSON]; ok {
		return ParseDockerConfig(raw)
	}
	raw, ok := data[dockerConfig]
	if !ok {
		return nil, fmt.Errorf("%w: the key %s is missing", ErrConfig, dockerConfigJSON)
	}
	var auths map[string]dockerEntry
	if len(raw) == 0 || json.Unmarshal(raw, &auths) != nil {
		return nil, fmt.Errorf("%w: %s is not valid JSON of the form that Docker uses", ErrConfig, dockerConfig)
	}
	return keychain(auths)
}

// ParseDockerConfig reads the configuration file of Docker.
func ParseDockerConfig(raw []byte) (Keychain, error) {
	var file struct {
		Auths map[string]dockerEntry `json:"auths"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &file) != nil {
		return nil, fmt.Errorf("%w: %s is not valid JSON of the form that Docker uses", ErrConfig, dockerConfigJSON)
	}
	return keychain(file.Auths)
}

// dockerEntry is what Docker keeps of a login.
type dockerEntry struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

func keychain(auths map[string]dockerEntry) (Keychain, error) {
	var k Keychain
	for where, d := range auths {
		c := Credential{
			Username: d.Username, Password: d.Password,
			IdentityToken: d.IdentityToken, RegistryToken: d.RegistryToken,
		}
		if d.Auth != "" {
			var err error
			if c.Username, c.Password, err = decodeAuth(d.Auth); err != nil {
				return nil, fmt.Errorf("%w: the auth of %q %w", ErrConfig, location(where), err)
			}
		}
		k = append(k, Entry{Location: location(where), Credential: c})
	}
	slices.SortFunc(k, func(a, b Entry) int { return strings.Compare(a.Location, b.Location) })
	return k, nil
}

func decodeAuth(auth string) (user, password string, err error) {
	text, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		if text, err = base64.RawStdEncoding.DecodeString(auth); err != nil {
			return "", "", errors.New("is not base64")
		}
	}
	user, password, ok := strings.Cut(string(text), ":")
	if !ok {
		return "", "", errors.New("is not a user name and a password with a colon between them")
	}
	return user, strings.TrimRight(password, "\x00\r\n"), nil
}

// location brings the keys of Docker's file into one form: they may be URLs, and
// end in the version of the API.
func location(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, below, _ := strings.Cut(key, "/")
	below = "/" + below
	for _, version := range []string{"/v1/", "/v2/"} {
		if below == strings.TrimSuffix(version, "/") {
			below = "/"
		}
		if rest, ok := strings.CutPrefix(below, version); ok {
			below = "/" + rest
		}
	}
	if at := strings.LastIndex(host, "@"); at >= 0 {
		host = host[at+1:]
	}
	switch host {
	case "index.docker.io", dockerHost:
		host = dockerHub
	}
	return strings.TrimSuffix(host+strings.TrimSuffix(below, "/"), "/")
}
