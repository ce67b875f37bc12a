package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// mostAnswer is the longest answer that is read of a Pod.
const mostAnswer = 4 << 20

// RunningPods returns the names of the running Pods that a label selector selects.
func (c *Clients) RunningPods(ctx context.Context, namespace, selector string) ([]string, error) {
	pods, err := c.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(namespace).
		List(ctx, metav1.ListOptions{LabelSelector: selector, FieldSelector: "status.phase=Running", Limit: 20})
	if err != nil {
		return nil, fmt.Errorf("list the Pods of %s in %s: %w", selector, namespace, err)
	}
	var names []string
	for _, p := range pods.Items {
		names = append(names, p.GetName())
	}
	return names, nil
}

// ThroughPod gets a path from a port of a Pod by way of the API server, which takes the
// right to get pods/proxy and no other road to the Pod. The answer is the Pod's, or the
// API server's if it does not let us pass. The API server does not hand on how we are
// authenticated; what the Pod is to know goes into header.
func (c *Clients) ThroughPod(ctx context.Context, namespace, pod string, port int, path string, header http.Header) (*http.Response, []byte, error) {
	base, _, err := rest.DefaultServerUrlFor(c.config)
	if err != nil {
		return nil, nil, fmt.Errorf("address of the API server: %w", err)
	}
	target := base.JoinPath("api/v1/namespaces", url.PathEscape(namespace), "pods", url.PathEscape(pod)+":"+strconv.Itoa(port), "proxy", path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header = header.Clone()
	return Answer(c.http, req)
}

// Answer sends a request and reads the answer, of which there must not be too much.
func Answer(client *http.Client, req *http.Request) (*http.Response, []byte, error) {
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	if err == nil && len(body) > mostAnswer {
		err = ErrAnswerTooLarge
	}
	return res, body, err
}

// errCaptured ends the request that shows how we are authenticated.
var errCaptured = errors.New("captured")

// capture is a transport that keeps a header and sends nothing.
type capture struct{ authorization string }

func (c *capture) RoundTrip(req *http.Request) (*http.Response, error) {
	c.authorization = req.Header.Get("Authorization")
	return nil, errCaptured
}

// Token returns the bearer token that config would show the API server: its own, that of
// a file or that of a program which a kubeconfig names. It is empty where somebody is
// known by a certificate or a password.
func Token(ctx context.Context, config *rest.Config) (string, error) {
	c := &capture{}
	wrapped, err := rest.HTTPWrappersForConfig(config, c)
	if err != nil {
		return "", fmt.Errorf("find the token of the kubeconfig: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://captured.invalid", nil)
	if err != nil {
		return "", err
	}
	res, err := wrapped.RoundTrip(req)
	if err == nil {
		_ = res.Body.Close()
	}
	if err != nil && !errors.Is(err, errCaptured) {
		return "", fmt.Errorf("find the token of the kubeconfig: %w", err)
	}
	return bearer(c.authorization), nil
}

func bearer(authorization string) string {
	const scheme = "Bearer "
	if len(authorization) <= len(scheme) || authorization[:len(scheme)] != scheme {
		return ""
	}
	return authorization[len(scheme):]
}
