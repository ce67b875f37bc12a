// Command fluxd-test-servers is the servers that sources read from in one
// program. The first argument selects the server: registry, which is the
// published command of an OCI registry with its published arguments, or s3, an
// S3 gateway on a folder.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// commands maps a name to what runs it on the arguments after it.
var commands = map[string]func(args []string) error{
	"registry": serveRegistry,
	"s3":       serveS3,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: %s COMMAND [arguments], COMMAND being one of: %s\n",
			filepath.Base(os.Args[0]), strings.Join(slices.Sorted(maps.Keys(commands)), ", "))
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
