package oci

import (
	"fmt"
	"strings"

	"oras.land/oras-go/v2/registry"
)

// Scheme is how the URL of a repository begins.
const Scheme = "oci://"

const (
	// dockerHub is the name of the registry that serves names without one, and
	// dockerHost where it is.
	dockerHub  = "docker.io"
	dockerHost = "registry-1.docker.io"
)

// Name is the name of a repository.
type Name struct {
	// Registry is a host name or address, with a port where it is not the usual one.
	Registry string
	// Path is the path of the repository in the registry.
	Path string
}

// ParseName takes the URL of a repository apart, or its name without the scheme. As
// Docker does, it takes a name without a host for one of Docker Hub. An error is
// [ErrURL].
func ParseName(rawURL string) (Name, error) {
	rest, ok := strings.CutPrefix(rawURL, Scheme)
	if !ok && strings.Contains(rawURL, "://") {
		return Name{}, fmt.Errorf("%w: it must begin with %s", ErrURL, Scheme)
	}
	host, path, ok := strings.Cut(rest, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		host, path = dockerHub, rest
	}
	switch host {
	case "index.docker.io", dockerHost:
		host = dockerHub
	}
	if strings.ContainsAny(host, "@") {
		return Name{}, fmt.Errorf("%w: it must not hold credentials", ErrURL)
	}
	if strings.ContainsAny(path, ":@") {
		return Name{}, fmt.Errorf("%w: it must not contain a tag or a digest", ErrURL)
	}
	if host == dockerHub && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	ref := registry.Reference{Registry: host, Repository: path}
	if err := ref.ValidateRegistry(); err != nil {
		return Name{}, fmt.Errorf("%w: %q is not the name of a registry", ErrURL, host)
	}
	if err := ref.ValidateRepository(); err != nil || len(path) > maxPath {
		return Name{}, fmt.Errorf("%w: %q is not the name of a repository", ErrURL, path)
	}
	return Name{Registry: host, Path: path}, nil
}

// maxPath is the longest path of a repository, in bytes.
const maxPath = 255

// String returns the name without a scheme.
func (n Name) String() string { return n.Registry + "/" + n.Path }

// host returns where the registry is.
func (n Name) host() string {
	if n.Registry == dockerHub {
		return dockerHost
	}
	return n.Registry
}
