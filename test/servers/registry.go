package main

import (
	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
)

// serveRegistry is "registry serve FILE", FILE being the registry's own
// configuration.
func serveRegistry(args []string) error {
	registry.RootCmd.SetArgs(args)
	return registry.RootCmd.Execute()
}
