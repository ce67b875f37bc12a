package git

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh/knownhosts"

	hosts "github.com/fluxd/fluxd/pkg/transport"
)

var (
	// ErrRefNotFound says that the remote has no such branch, tag or commit.
	ErrRefNotFound = errors.New("reference not found")
	// ErrEmpty says that the remote has no commits.
	ErrEmpty = errors.New("the repository is empty")
	// ErrAuth says that the remote refused the credentials, or wants some.
	ErrAuth = errors.New("authentication failed")
	// ErrNotFound says that there is no such repository, or none that may be seen.
	ErrNotFound = errors.New("repository not found")
	// ErrHostKey says that the host key is not the one in known_hosts.
	ErrHostKey = errors.New("host key verification failed")
	// ErrTooLarge says that the repository exceeds a limit.
	ErrTooLarge = errors.New("the repository is too large")
	// ErrTimeout says that the remote was too slow.
	ErrTimeout = errors.New("timed out")
	// ErrSignature says that a signature is missing or not by a trusted key.
	ErrSignature = errors.New("signature verification failed")
	// ErrConfig says that the description of the remote is unusable as it is.
	ErrConfig = errors.New("invalid configuration")
)

// explain classifies an error of the transport and takes credentials out of its
// text.
func (r *Remote) explain(doing string, err error) error {
	var hostKey *knownhosts.KeyError
	var kind error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		kind = ErrTimeout
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed),
		errors.Is(err, transport.ErrInvalidAuthMethod), strings.Contains(err.Error(), "unable to authenticate"):
		kind = ErrAuth
	case errors.Is(err, transport.ErrRepositoryNotFound):
		kind = ErrNotFound
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		kind = ErrEmpty
	case errors.As(err, &hostKey), strings.Contains(err.Error(), "knownhosts:"):
		kind = ErrHostKey
	}
	text := hosts.OneLine(r.redact(err.Error()))
	if kind == nil {
		return fmt.Errorf("%s '%s': %w", doing, r.safeURL(), &opaque{text, err})
	}
	if strings.Contains(text, kind.Error()) {
		return fmt.Errorf("%s '%s': %w", doing, r.safeURL(), kind)
	}
	if kind == ErrAuth { // the library says the same, and then what the server says
		for _, before := range []error{transport.ErrAuthenticationRequired, transport.ErrAuthorizationFailed} {
			text = strings.TrimPrefix(text, before.Error()+": ")
		}
	}
	return fmt.Errorf("%s '%s': %w: %s", doing, r.safeURL(), kind, text)
}

// opaque shows a cleaned text and still unwraps.
type opaque struct {
	text string
	err  error
}

func (o *opaque) Error() string { return o.text }
func (o *opaque) Unwrap() error { return o.err }

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// safeURL returns the URL without the user information.
func (r *Remote) safeURL() string {
	u, err := url.Parse(r.URL)
	if err != nil {
		return "<unparsable URL>"
	}
	u.User = nil
	return u.String()
}

// redact removes every credential of the remote from a text.
func (r *Remote) redact(text string) string {
	secrets := []string{r.Auth.Password, r.Auth.BearerToken, r.Auth.Passphrase}
	if _, session, ok := strings.Cut(r.Auth.Username, "%"); ok { // of CodeCommit
		secrets = append(secrets, session)
	}
	if u, err := url.Parse(r.URL); err == nil && u.User != nil {
		text = strings.ReplaceAll(text, u.User.String()+"@", "")
		if password, ok := u.User.Password(); ok {
			secrets = append(secrets, password, url.QueryEscape(password))
		}
	}
	if r.Proxy != nil && r.Proxy.User != nil {
		password, _ := r.Proxy.User.Password()
		secrets = append(secrets, password, url.QueryEscape(password))
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "*****")
		}
	}
	return text
}
