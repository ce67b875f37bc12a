package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Provider names a cloud, as spec.provider does.
type Provider string

// The clouds.
const (
	AWS   Provider = "aws"
	Azure Provider = "azure"
	GCP   Provider = "gcp"
)

var (
	// ErrObjectLevelDisabled says that a ServiceAccount was named although the
	// feature gate ObjectLevelWorkloadIdentity is off.
	ErrObjectLevelDisabled = errors.New("the ObjectLevelWorkloadIdentity feature gate is disabled")
	// ErrNoAccount says that there is no such ServiceAccount.
	ErrNoAccount = errors.New("the service account does not exist")
	// ErrNoDefaultAccount says that the namespace lacks the ServiceAccount of
	// --default-service-account.
	ErrNoDefaultAccount = errors.New("the specified default service account does not exist in the object namespace. " +
		"your cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help")
	// ErrConfig says that something about the request cannot work as it is: an
	// annotation, a region, an endpoint, a registry of another cloud.
	ErrConfig = errors.New("invalid configuration")
	// ErrRefused says that the cloud answered, and that the answer is no.
	ErrRefused = errors.New("refused")
)

// Accounts knows the ServiceAccounts of the cluster.
type Accounts interface {
	// ServiceAccount returns the annotations of a ServiceAccount and whether
	// there is one.
	ServiceAccount(ctx context.Context, namespace, name string) (annotations map[string]string, found bool, err error)
	// ServiceAccountToken returns a new token of a ServiceAccount that is meant
	// for the given audiences.
	ServiceAccountToken(ctx context.Context, namespace, name string, audiences []string) (string, error)
}

// Request says whose identity is to be used, and how clouds are reached.
type Request struct {
	Provider Provider
	// Namespace is that of the object, and of its ServiceAccount.
	Namespace string
	// ServiceAccount is the name in the spec of the object. Where it is empty,
	// DefaultAccount is used, and where that is empty as well, the identity of the
	// process itself.
	ServiceAccount, DefaultAccount string
	// Audiences are whom the token of the ServiceAccount is for that the cloud is
	// shown; empty means what the cloud expects.
	Audiences []string
	// Proxy is for calls to the cloud; nil means what the environment says.
	Proxy *url.URL
	// STSEndpoint replaces the token service of AWS.
	STSEndpoint string
	// For is the object on whose behalf this is asked.
	For Object
}

// Object names who asks, for counters.
type Object struct{ Kind, Namespace, Name, Operation string }

// Token is a bearer token.
type Token struct {
	Value   string
	Expires time.Time
}

// Login is a user name and password.
type Login struct {
	Username, Password string
	Expires            time.Time
}

// GitLogin is the right to read a Git repository: a token, or else a user name and
// password.
type GitLogin struct {
	Username, Password string
	BearerToken        string
	Expires            time.Time
}

// Options are what [Clouds] are made of. The zero value is usable for the identity
// of the process.
type Options struct {
	// Accounts may be nil: then there are no ServiceAccounts.
	Accounts Accounts
	// ObjectLevel allows ServiceAccounts.
	ObjectLevel bool

	// CacheSize is how many credentials are kept; zero keeps none. CacheTime
	// bounds how long; an hour if zero, and at most.
	CacheSize int
	CacheTime time.Duration
	// Event is told of each request that the cache answered, or did not. It may
	// be nil and must return at once.
	Event func(o Object, hit bool)

	// Transport makes what calls go through; nil means real connections. A nil
	// proxy means that of the environment, [NoProxy] none.
	Transport func(proxy *url.URL) http.RoundTripper
	// Env, ReadFile and Now replace the environment, the file system and the
	// clock; nil means the real ones.
	Env      func(string) string
	ReadFile func(string) ([]byte, error)
	Now      func() time.Time
}

// Clouds gets credentials. It is safe for concurrent use.
type Clouds struct {
	options Options
	cache   *cache
	facts   *cache // about the machine
}

// New returns clouds that nothing has been asked of.
func New(o Options) *Clouds {
	if o.Transport == nil {
		o.Transport = transport
	}
	if o.Env == nil {
		o.Env = os.Getenv
	}
	if o.ReadFile == nil {
		o.ReadFile = readFile
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Event == nil {
		o.Event = func(Object, bool) {}
	}
	facts := newCache(Options{CacheSize: 1, Now: o.Now, Event: func(Object, bool) {}})
	return &Clouds{options: o, cache: newCache(o), facts: facts}
}

// Registry returns the login for a repository of the provider's registries, given
// as host/path.
func (c *Clouds) Registry(ctx context.Context, r Request, repository string) (Login, error) {
	a, err := c.ask(ctx, r)
	if err != nil {
		return Login{}, err
	}
	host := registryHost(repository)
	switch r.Provider {
	case AWS:
		return a.ecr(ctx, host)
	case Azure:
		return a.acr(ctx, host)
	default:
		return a.garLogin(ctx, host)
	}
}

// Git returns the credentials for a repository of CodeCommit or Azure DevOps.
func (c *Clouds) Git(ctx context.Context, r Request, repository *url.URL) (GitLogin, error) {
	a, err := c.ask(ctx, r)
	if err != nil {
		return GitLogin{}, err
	}
	switch r.Provider {
	case AWS:
		return a.codeCommit(ctx, repository)
	case Azure:
		return a.devOps(ctx, repository)
	}
	return GitLogin{}, fmt.Errorf("%w: the provider %s has no Git repositories", ErrConfig, r.Provider)
}

// AWSKeys returns keys for requests to AWS. An empty region means that of the
// environment, which ServiceAccounts may not rely on.
func (c *Clouds) AWSKeys(ctx context.Context, r Request, region string) (Keys, error) {
	r.Provider = AWS
	a, err := c.ask(ctx, r)
	if err != nil {
		return Keys{}, err
	}
	return a.awsKeys(ctx, region)
}

// AzureToken returns a token for a scope of Azure, such as [ScopeStorage].
func (c *Clouds) AzureToken(ctx context.Context, r Request, scope string) (Token, error) {
	r.Provider = Azure
	a, err := c.ask(ctx, r)
	if err != nil {
		return Token{}, err
	}
	return a.azureToken(ctx, scope)
}

// GCPToken returns a token for Google Cloud, as far as the identity may go.
func (c *Clouds) GCPToken(ctx context.Context, r Request) (Token, error) {
	r.Provider = GCP
	a, err := c.ask(ctx, r)
	if err != nil {
		return Token{}, err
	}
	return a.gcpToken(ctx)
}

// Keep returns a token that somebody else gets, as long and as bounded as those of clouds
// are kept. The key names it by everything that shapes it, but for the proxy of r; of r,
// only that and For count.
func (c *Clouds) Keep(ctx context.Context, r Request, key string, get func(context.Context) (Token, error)) (Token, error) {
	if c == nil {
		return get(ctx)
	}
	a := &asking{Clouds: c, Request: Request{Proxy: r.Proxy, For: r.For}}
	return obtain(ctx, a, a.key("kept", key), func(ctx context.Context) (Token, time.Time, error) {
		token, err := get(ctx)
		return token, token.Expires, err
	})
}

// Stats are counters of what was asked of clouds and of the cache.
type Stats struct {
	// Items is how many credentials are kept.
	Items int
	// Hits and Misses say how often the cache had an answer.
	Hits, Misses uint64
	// Successes and Failures say how requests ended that it had none for.
	Successes, Failures uint64
	// Evictions is how many credentials went before their time.
	Evictions uint64
}

// Stats returns the counters as they are now.
func (c *Clouds) Stats() Stats { return c.cache.snapshot() }
