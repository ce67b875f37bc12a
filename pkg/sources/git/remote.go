package git

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"

	"github.com/fluxd/fluxd/pkg/artifacts"
	hosts "github.com/fluxd/fluxd/pkg/transport"
)

// Auth is the right to read a repository, and perhaps to write it. Over HTTP the token is used if there
// is one, else the user name and password; over SSH the identity.
type Auth struct {
	Username, Password string
	BearerToken        string

	// Identity is a private key in PEM form, Passphrase what decrypts it, and
	// KnownHosts the content of a known_hosts file.
	Identity   []byte
	Passphrase string
	KnownHosts []byte
	// Signers yields the keys to log in with where there is no Identity, such as those
	// of an SSH agent. It may be nil.
	Signers func() ([]ssh.Signer, error)
}

// Remote is a repository and how to reach it.
type Remote struct {
	// URL is an http, https or ssh URL.
	URL  string
	Auth Auth
	// TLS is for https; nil means the defaults.
	TLS *tls.Config
	// Proxy is an http, https or socks5 URL; nil means what the environment
	// says. SSH goes through socks5 only.
	Proxy *url.URL
	// Hosts is what the process knows of the hosts it asks; nil knows nothing.
	Hosts *hosts.Hosts
	// Received is told of the bytes that the remote sent. It may be nil.
	Received func(bytes int64)
	// Limits bound the files, and Limits.Bytes the bytes received as well.
	Limits artifacts.Limits
	// Memory is what fetched objects are charged to, those of submodules too. It
	// is left by the caller when nothing fetched is in use any more.
	Memory *artifacts.Share
	// KeyExchanges and HostKeyAlgorithms override those of SSH.
	KeyExchanges, HostKeyAlgorithms []string
}

// defaultBytes bounds what is received where Limits says nothing.
const defaultBytes = 256 << 20

func (r *Remote) maxBytes() int64 { return cmp.Or(r.Limits.Bytes, defaultBytes) }

// Session is a connection to a remote that has told its references. It fetches
// once.
type Session struct {
	remote  *Remote
	upload  transport.UploadPackSession
	refs    *packp.AdvRefs
	release func()
}

// Connect asks the remote for its references. The session must be closed.
func (r *Remote) Connect(ctx context.Context) (*Session, error) {
	endpoint, err := transport.NewEndpoint(r.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL does not parse", ErrConfig)
	}
	client, auth, release, err := r.client(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	upload, err := client.NewUploadPackSession(endpoint, auth)
	if err != nil {
		release()
		return nil, r.explain("unable to connect to", err)
	}
	s := &Session{remote: r, upload: upload, release: release}
	// The transport of SSH heeds no context while it speaks.
	stop := context.AfterFunc(ctx, func() { _ = upload.Close(); release() })
	defer stop()
	s.refs, err = upload.AdvertisedReferencesContext(ctx)
	if err != nil {
		s.Close()
		return nil, r.explain("unable to list the references of", errors.Join(err, ctx.Err()))
	}
	return s, nil
}

// Close ends the connection.
func (s *Session) Close() {
	_ = s.upload.Close() // nothing was written that could be lost
	s.release()
}

// client returns the transport for the scheme of the URL, with the credentials
// for it and what frees its connections.
func (r *Remote) client(ctx context.Context, e *transport.Endpoint) (transport.Transport, transport.AuthMethod, func(), error) {
	switch e.Protocol {
	case "http", "https":
		auth, err := r.httpAuth(e)
		if err != nil {
			return nil, nil, nil, err
		}
		t := r.httpTransport()
		return githttp.NewClient(&http.Client{Transport: &capped{t, r.maxBytes()}}), auth, t.Close, nil
	case "ssh":
		auth, err := r.sshAuth(ctx, e)
		if err != nil {
			return nil, nil, nil, err
		}
		return gitssh.NewClient(nil), auth, func() {}, nil
	}
	return nil, nil, nil, fmt.Errorf("%w: the scheme %q is none of http, https, ssh", ErrConfig, e.Protocol)
}

// httpTransport returns the transport of this remote.
func (r *Remote) httpTransport() *hosts.Transport {
	known := r.Hosts
	if known == nil {
		known = hosts.NewHosts()
	}
	return known.Transport(hosts.Options{TLS: r.TLS, Proxy: r.Proxy, Received: r.Received})
}

// httpAuth returns the credentials for HTTP, nil for none. Those in the URL
// serve where none are given.
func (r *Remote) httpAuth(e *transport.Endpoint) (transport.AuthMethod, error) {
	a := r.Auth
	if a.BearerToken != "" {
		if e.User != "" || e.Password != "" {
			return nil, fmt.Errorf("%w: a bearer token cannot be combined with credentials in the URL", ErrConfig)
		}
		return &githttp.TokenAuth{Token: a.BearerToken}, nil
	}
	user, password := cmp.Or(a.Username, e.User), cmp.Or(a.Password, e.Password)
	e.User, e.Password = "", ""
	switch {
	case user == "" && password != "":
		return nil, fmt.Errorf("%w: there is a password but no user name", ErrConfig)
	case user == "" && password == "":
		return nil, nil
	}
	return &githttp.BasicAuth{Username: user, Password: password}, nil
}
