package upstream

import (
	"context"
	"io"

	"github.com/fluxd/fluxd/test/program"
)

// module is what the registry and the S3 server are built from: about a minute
// of two cores, and 36 MB.
var module = program.Module{
	Dir:       "test/servers",
	Name:      "fluxd-test-servers",
	LinkFlags: "-s -w",
	Cache:     "test-servers",
	Title:     "the registry and the S3 server",
	Takes:     "a minute or two",
}

// Build returns the path of the program that is registry and S3 server, built
// first if need be. Progress, which may be nil, is told in lines while there is
// a wait. Whoever starts several servers calls it before, to see the progress.
func Build(ctx context.Context, progress io.Writer) (string, error) {
	return module.Build(ctx, progress)
}
