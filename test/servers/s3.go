package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

// The environment variables that hold the credentials of the one account, which
// may do everything.
const (
	accessEnv = "S3_ACCESS_KEY"
	secretEnv = "S3_SECRET_KEY"
)

// connections bounds how many clients are served at once, and how many requests.
const connections = 1024

// serveS3 serves a folder as S3: its folders are buckets, its files objects.
func serveS3(args []string) error {
	flags := flag.NewFlagSet("s3", flag.ContinueOnError)
	listen := flags.String("listen", "", "host:port, or the path of a Unix socket")
	root := flags.String("root", "", "the folder to serve")
	metadata := flags.String("metadata", "", "the folder for what is known of objects beside their content")
	region := flags.String("region", "us-east-1", "the region that requests must be signed for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	store, err := meta.NewSideCar(*metadata)
	if err != nil {
		return fmt.Errorf("prepare the metadata: %w", err)
	}
	folder, err := posix.New(*root, store, posix.PosixOpts{SideCarDir: *metadata, ValidateBucketNames: true})
	if err != nil {
		return fmt.Errorf("open the folder: %w", err)
	}
	account := auth.Account{Access: os.Getenv(accessEnv), Secret: os.Getenv(secretEnv), Role: auth.RoleAdmin}
	server, err := s3api.New(folder,
		middlewares.RootUserConfig{Access: account.Access, Secret: account.Secret}, *region,
		auth.NewIAMServiceSingle(account), nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithMpMaxParts(10_000),
		s3api.WithConcurrencyLimiter(connections, connections))
	if err != nil {
		return fmt.Errorf("set up the server: %w", err)
	}
	return server.ServeMultiPort([]string{*listen})
}
