package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Load returns how to reach the API server: the kubeconfig file if a path is
// given, else what the environment variable KUBECONFIG names, else the service
// account of the Pod. userAgent is how the server's audit log will know us.
func Load(kubeconfig, userAgent string) (*rest.Config, error) {
	return LoadContext(kubeconfig, "", userAgent)
}

// LoadContext is [Load] with a context of the kubeconfig other than the current one,
// unless it is empty.
func LoadContext(kubeconfig, context, userAgent string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("load the connection to the API server: %w", err)
	}
	config.UserAgent = userAgent
	// The server's priority and fairness decides; a limiter here would only
	// delay what it would have admitted.
	config.QPS = -1
	if err := ownTransport(config); err != nil {
		return nil, fmt.Errorf("load the connection to the API server: %w", err)
	}
	// The clients of this package have no handler of their own but the process's.
	rest.SetDefaultWarningHandlerWithContext(warnings{})
	return config, nil
}

// ownTransport keeps client-go from http.DefaultTransport, which it takes where the
// kubeconfig says nothing of TLS: through kubectl proxy, or to a server with a
// certificate that the system trusts. That transport refuses, by design.
func ownTransport(config *rest.Config) error {
	settings, err := rest.TLSConfigFor(config)
	if err != nil {
		return err
	}
	if settings == nil && config.Dial == nil {
		config.Dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return nil
}

// Clients are the connections to one API server.
type Clients struct {
	// Dynamic reads and writes objects of any kind.
	Dynamic dynamic.Interface
	// Mapper maps kinds to resources.
	Mapper *Mapper

	config *rest.Config
	http   *http.Client
	codec  codec
	// contact is nil for another cluster.
	contact *contact
}

// NewClients opens the connections that config describes. No request is made. One that
// is not answered is given up, and a watch does not go on behind what an API server that
// was restored has lost.
func NewClients(config *rest.Config, scheme *runtime.Scheme) (*Clients, error) {
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("set up the connection to %s: %w", config.Host, err)
	}
	base := httpClient.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	reach := &contact{next: base, now: time.Now}
	guarded := *httpClient // which may be that of all the process
	guarded.Transport = deadline{newRewind(reach, time.Now)}
	c, err := newClients(config, &guarded, scheme)
	if err != nil {
		return nil, err
	}
	c.contact = reach
	return c, nil
}

func newClients(config *rest.Config, httpClient *http.Client, scheme *runtime.Scheme) (*Clients, error) {
	c := &Clients{config: config, http: httpClient, codec: codec{scheme}}
	var err error
	if c.Dynamic, err = dynamic.NewForConfigAndClient(config, httpClient); err != nil {
		return nil, fmt.Errorf("set up the connection to %s: %w", config.Host, err)
	}
	root, err := c.rest(schema.GroupVersion{})
	if err != nil {
		return nil, err
	}
	c.Mapper = newMapper(root, time.Now)
	return c, nil
}

// Config returns a copy of the configuration that the connections were opened
// with.
func (c *Clients) Config() *rest.Config { return rest.CopyConfig(c.config) }

// ServerVersion asks the API server for its version, as v1.37.2.
func (c *Clients) ServerVersion(ctx context.Context) (string, error) {
	root, err := c.rest(schema.GroupVersion{})
	if err != nil {
		return "", err
	}
	body, err := root.Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", fmt.Errorf("ask the API server for its version: %w", err)
	}
	var answer struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("ask the API server for its version: %w", err)
	}
	return answer.GitVersion, nil
}

// Terminating asks whether an object is being deleted, or is gone already.
func (c *Clients) Terminating(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string) (bool, error) {
	client, err := c.rest(gvr.GroupVersion())
	if err != nil {
		return false, err
	}
	body, err := client.Get().NamespaceIfScoped(namespace, namespace != "").Resource(gvr.Resource).Name(name).
		SetHeader("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").Do(ctx).Raw()
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var obj metav1.PartialObjectMetadata
	err = json.Unmarshal(body, &obj)
	return obj.DeletionTimestamp != nil, err
}

// rest returns a client for one group version, or for bare paths if gv is empty.
func (c *Clients) rest(gv schema.GroupVersion) (rest.Interface, error) {
	base, _, err := rest.DefaultServerUrlFor(c.config)
	if err != nil {
		return nil, fmt.Errorf("address of the API server: %w", err)
	}
	versioned := ""
	switch {
	case gv.Version == "":
	case gv.Group == "":
		versioned = "/api/" + gv.Version
	default:
		versioned = "/apis/" + gv.Group + "/" + gv.Version
	}
	content := rest.ClientContentConfig{
		ContentType:  runtime.ContentTypeJSON,
		GroupVersion: gv,
		Negotiator:   runtime.NewClientNegotiator(c.codec, gv),
	}
	client, err := rest.NewRESTClient(base, versioned, content, nil, c.http)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", gv, err)
	}
	return client, nil
}
