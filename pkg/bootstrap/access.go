package bootstrap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/bootstrap/forge"
	"github.com/fluxd/fluxd/pkg/sources/git"
	"github.com/fluxd/fluxd/pkg/transport"
)

// Access is how a repository is reached, by the person and by the cluster.
type Access struct {
	// URL is an http, https or ssh URL, or user@host:path.
	URL string
	// Username and Password, or BearerToken, are for http and https. Password also
	// decrypts Identity.
	Username, Password, BearerToken string
	// CA is a certificate authority in PEM form.
	CA []byte
	// Identity is a private key in PEM form. Without one, the keys of the SSH agent
	// push, and one is generated for the cluster.
	Identity []byte
	// KnownHosts is the key of the host; without it the host is asked.
	KnownHosts []byte
	// Key says what is generated.
	Key KeyType
	// InsecureHTTP allows http.
	InsecureHTTP bool
	// Show tells the person a public key, and asks to give it access if it is fresh.
	Show func(ctx context.Context, public string, fresh bool) error
}

// Fill sets how o reaches the repository.
func (a Access) Fill(ctx context.Context, o *Options) error {
	u, err := parseURL(a.URL)
	if err != nil {
		return err
	}
	o.Sync.URL = u.String()
	switch u.Scheme {
	case "https", "http":
		if u.Scheme == "http" && !a.InsecureHTTP {
			return fmt.Errorf("--url: %s is not encrypted: whoever is in between can read the credentials and change what is applied; --allow-insecure-http lets it", u.Redacted())
		}
		return a.fillHTTP(o)
	case "ssh":
		return a.fillSSH(ctx, u, o)
	}
	return fmt.Errorf("--url: the scheme %q is none of https, http, ssh", u.Scheme)
}

func parseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("--url: is missing")
	}
	if host, path, ok := strings.Cut(text, ":"); ok && !strings.Contains(text, "://") {
		text = "ssh://" + host + "/" + strings.TrimPrefix(path, "/")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("--url: it is not a URL with a host")
	}
	if _, secret := u.User.Password(); secret {
		return nil, errors.New("--url: it has a password, which would be committed; use --password or the environment variable GIT_PASSWORD")
	}
	return u, nil
}

func (a Access) fillHTTP(o *Options) error {
	config, err := tlsWith(a.CA)
	if err != nil {
		return err
	}
	o.Remote = &git.Remote{URL: o.Sync.URL, TLS: config, Auth: git.Auth{Username: a.Username, Password: a.Password, BearerToken: a.BearerToken}}
	data := make(map[string][]byte)
	switch {
	case a.BearerToken != "":
		data[KeyBearer] = []byte(a.BearerToken)
	case a.Password != "":
		data[KeyUsername], data[KeyPassword] = []byte(a.Username), []byte(a.Password)
	}
	if len(a.CA) > 0 {
		data[KeyCA] = a.CA
	}
	if len(data) == 0 {
		o.Sync.Secret = "" // everybody may read it
		return nil
	}
	o.Credentials = Credentials{Data: data}
	return nil
}

// tlsWith returns a configuration that trusts a certificate authority beside those of
// the system, nil if none is given.
func tlsWith(ca []byte) (*tls.Config, error) {
	if len(ca) == 0 {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("--ca-file: the file has no certificate in PEM form")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

func (a Access) fillSSH(ctx context.Context, u *url.URL, o *Options) error {
	hosts, err := a.hostKey(ctx, u)
	if err != nil {
		return err
	}
	auth := git.Auth{Identity: a.Identity, Passphrase: a.Password, KnownHosts: hosts}
	if len(a.Identity) > 0 {
		public, err := PublicOf(a.Identity, a.Password)
		if err != nil {
			return fmt.Errorf("--private-key-file: %w", err)
		}
		data := map[string][]byte{KeyIdentity: a.Identity, KeyPublic: public, KeyKnownHosts: hosts}
		if a.Password != "" {
			data[KeyPassword] = []byte(a.Password)
		}
		o.Credentials = Credentials{Data: data}
	} else {
		if auth.Signers = Agent(); auth.Signers == nil {
			return errors.New("to push over SSH it takes --private-key-file, or an SSH agent (the environment variable SSH_AUTH_SOCK is not set)")
		}
		o.Credentials = Credentials{Key: &a.Key, KnownHosts: hosts, Allow: a.Show}
	}
	o.Remote = &git.Remote{URL: o.Sync.URL, Auth: auth}
	return nil
}

func (a Access) hostKey(ctx context.Context, u *url.URL) ([]byte, error) {
	if len(a.KnownHosts) > 0 {
		if err := git.CheckKnownHosts(a.KnownHosts); err != nil {
			return nil, fmt.Errorf("--known-hosts-file: %w", err)
		}
		return a.KnownHosts, nil
	}
	return ScanHostKey(ctx, sshAddress(u))
}

func sshAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "22"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// ForgeAccess is a repository on a forge, which is made if it is not there.
type ForgeAccess struct {
	forge.Options
	Repository forge.Repository
	// CA is a certificate authority in PEM form.
	CA []byte
	// Token says that the cluster reads with the token. Otherwise it gets a key that
	// may read this repository, or write it as well.
	TokenAuth, WriteKey bool
	// SSHHostname replaces that of the forge in the SSH URL.
	SSHHostname string
	KnownHosts  []byte
	Key         KeyType
}

// Fill makes the repository if need be, and sets how o reaches it.
func (a ForgeAccess) Fill(ctx context.Context, o *Options, tell func(format string, args ...any)) error {
	config, err := tlsWith(a.CA)
	if err != nil {
		return err
	}
	a.Transport = transport.NewHosts().Transport(transport.Options{TLS: config})
	f, err := forge.New(a.Options)
	if err != nil {
		return err
	}
	at, err := f.Ensure(ctx, a.Repository)
	if err != nil {
		return err
	}
	if at.Made {
		tell("made the repository %s", a.Repository)
	} else {
		tell("the repository %s is there", a.Repository)
	}
	login := git.Auth{Username: "git", Password: a.Options.Token} // forges take any name with a token
	o.Remote = &git.Remote{URL: at.HTTPS, TLS: config, Auth: login}
	if a.TokenAuth {
		o.Sync.URL = at.HTTPS
		o.Credentials = Credentials{Data: map[string][]byte{KeyUsername: []byte(login.Username), KeyPassword: []byte(login.Password)}}
		if len(a.CA) > 0 {
			o.Credentials.Data[KeyCA] = a.CA
		}
		return nil
	}
	return a.fillKey(ctx, f, at, o, tell)
}

// fillKey has the cluster read over SSH, with a key that the forge lets in.
func (a ForgeAccess) fillKey(ctx context.Context, f forge.Forge, at forge.Location, o *Options, tell func(format string, args ...any)) error {
	u, err := parseURL(at.SSH)
	if err != nil {
		return fmt.Errorf("the forge names no SSH URL of %s: use --token-auth", a.Repository)
	}
	if a.SSHHostname != "" {
		u.Host = a.SSHHostname
	}
	o.Sync.URL = u.String()
	hosts, err := Access{KnownHosts: a.KnownHosts}.hostKey(ctx, u)
	if err != nil {
		return err
	}
	title := strings.Join([]string{o.Sync.Namespace, o.Sync.Branch, o.Sync.Secret, o.Sync.Path}, "-")
	allow := func(ctx context.Context, public string, _ bool) error {
		added, err := f.Allow(ctx, a.Repository, forge.Key{Title: title, Public: strings.TrimSpace(public), Write: a.WriteKey})
		if added {
			tell("added the deploy key %q: %s", title, Fingerprint([]byte(public)))
		}
		return err
	}
	o.Credentials = Credentials{Key: &a.Key, KnownHosts: hosts, Allow: allow}
	return nil
}
