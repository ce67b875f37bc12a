package upstream

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
)

// S3Options say what S3 server to start.
type S3Options struct {
	Security
	AccessKey, SecretKey string
	Region               string // us-east-1 if empty
}

// S3 is an S3 server. Buckets are in the path of a URL. What is done with its own
// methods goes past the door, and is not counted.
type S3 struct {
	*backend
	*S3Client
}

// StartS3 starts an S3 server that stores what it gets in a folder of its own. It
// runs until Close.
func StartS3(ctx context.Context, o S3Options) (*S3, error) {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	b, err := newBackend(o.Security, func(next http.Handler) http.Handler { return next })
	if err != nil {
		return nil, err
	}
	s := &S3{backend: b, S3Client: &S3Client{url: "http://server", transport: b.transport, options: o}}
	objects, metadata := filepath.Join(b.dir, "objects"), filepath.Join(b.dir, "metadata")
	err = errors.Join(os.Mkdir(objects, 0o755), os.Mkdir(metadata, 0o755))
	if err == nil {
		err = s.start(ctx, []string{"S3_ACCESS_KEY=" + o.AccessKey, "S3_SECRET_KEY=" + o.SecretKey},
			"s3", "-listen="+b.socket(), "-root="+objects, "-metadata="+metadata, "-region="+o.Region)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
