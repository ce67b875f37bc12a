package kube

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// MaxKubeconfig is the most bytes that a kubeconfig may have.
const MaxKubeconfig = 256 << 10

// ErrKubeconfig says that a kubeconfig cannot be used as it is.
var ErrKubeconfig = errors.New("invalid kubeconfig")

// ParseKubeconfig rebuilds the connection that the current context of a kubeconfig
// describes from what it may say: the server and its name, a proxy, and inline
// credentials and certificates. Programs, authentication providers, paths of files
// and whom to act for are left out, and so is insecure-skip-tls-verify unless it is
// allowed. Where that leaves no credentials, the error says what was refused.
//
// The content comes from a tenant and is a secret: no error repeats a part of it but
// names of its own entries.
func ParseKubeconfig(content []byte, allowInsecure bool) (*rest.Config, error) {
	if len(content) > MaxKubeconfig {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrKubeconfig, MaxKubeconfig)
	}
	file, err := clientcmd.Load(content)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not well-formed YAML of the kind Config", ErrKubeconfig)
	}
	cluster, user, err := current(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKubeconfig, err)
	}
	config := &rest.Config{Host: cluster.Server}
	if err := checkServer(cluster.Server); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKubeconfig, err)
	}
	config.ServerName, config.CAData = cluster.TLSServerName, cluster.CertificateAuthorityData
	config.Insecure = cluster.InsecureSkipTLSVerify && allowInsecure
	config.DisableCompression = cluster.DisableCompression
	if config.Proxy, err = proxyOf(cluster.ProxyURL); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKubeconfig, err)
	}
	if err := credentials(config, user); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKubeconfig, err)
	}
	if _, err := rest.TLSConfigFor(config); err != nil {
		return nil, fmt.Errorf("%w: its certificates or its key cannot be used", ErrKubeconfig)
	}
	return config, nil
}

// current returns the cluster and the user of the current context.
func current(file *api.Config) (*api.Cluster, *api.AuthInfo, error) {
	if file.CurrentContext == "" {
		return nil, nil, errors.New("current-context is empty")
	}
	context := file.Contexts[file.CurrentContext]
	if context == nil {
		return nil, nil, errors.New("contexts has no entry for current-context")
	}
	cluster := file.Clusters[context.Cluster]
	if cluster == nil {
		return nil, nil, errors.New("clusters has no entry for the cluster of the current context")
	}
	user := file.AuthInfos[context.AuthInfo]
	switch {
	case user != nil:
	case context.AuthInfo != "":
		return nil, nil, errors.New("users has no entry for the user of the current context")
	default:
		user = &api.AuthInfo{}
	}
	return cluster, user, nil
}

func checkServer(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("the server of the cluster is not a URL with https:// or http://")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the URL of the server must have no user, query or fragment")
	}
	return nil
}

// proxyOf returns what config.Proxy is to be; none means that of the environment.
func proxyOf(proxy string) (func(*http.Request) (*url.URL, error), error) {
	if proxy == "" {
		return nil, nil
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
		return nil, errors.New("the proxy-url of the cluster is not a URL with http://, https:// or socks5://")
	}
	return http.ProxyURL(u), nil
}

// credentials takes over what user has inline.
func credentials(config *rest.Config, user *api.AuthInfo) error {
	config.BearerToken, config.Username, config.Password = user.Token, user.Username, user.Password
	config.CertData, config.KeyData = user.ClientCertificateData, user.ClientKeyData
	certificate := len(config.CertData) > 0 && len(config.KeyData) > 0
	if user.Token != "" && user.Username != "" {
		return errors.New("the user has a token and a username, where only one of them can be")
	}
	if user.Token != "" || user.Username != "" || certificate {
		return nil
	}
	switch {
	case user.Exec != nil:
		return errors.New("the user has no credentials but exec, which is refused: fluxd runs no programs")
	case user.AuthProvider != nil:
		return errors.New("the user has no credentials but an auth-provider, which is refused")
	case user.TokenFile != "":
		return errors.New("the user has no credentials but a tokenFile, which is refused: use token")
	case user.ClientCertificate != "" || user.ClientKey != "":
		return errors.New("the user has no credentials but paths of files, which are refused: use client-certificate-data and client-key-data")
	}
	return nil
}
