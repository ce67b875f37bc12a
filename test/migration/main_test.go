package migration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
	"github.com/fluxd/fluxd/test/upstream"
)

// What all tests share. They run one after the other, each on a control plane of its own.
var (
	// stockBin is the folder of the Flux controllers, empty if there are none.
	stockBin string
	// binary is fluxd.
	binary string
	gits   *gittest.Server
	oci    *upstream.Registry
	s3     *upstream.S3
)

const (
	accessKey = "somebody"
	secretKey = "pa55-w0rd-0f-the-te5t"
)

func TestMain(m *testing.M) { program.Main(m, start) }

// start starts what is shared, if there are controllers to move from.
func start(ctx context.Context, stops *program.Stops) error {
	stockBin = os.Getenv("PEER_BIN")
	if stockBin == "" {
		return nil
	}
	for _, name := range harness.StockControllers {
		if _, err := os.Stat(filepath.Join(stockBin, name)); err != nil {
			return fmt.Errorf("PEER_BIN should hold the Flux controllers: %w", err)
		}
	}
	dir, err := stops.Dir("fluxd-migration")
	if err != nil {
		return err
	}
	if binary, err = harness.Build(ctx, dir); err != nil {
		return err
	}
	root := filepath.Join(dir, "git")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if gits, err = gittest.Serve(root); err != nil {
		return err
	}
	stops.Add(gits.Close)
	if oci, err = upstream.StartRegistry(ctx, upstream.RegistryOptions{}); err != nil {
		return err
	}
	stops.Add(oci.Close)
	if s3, err = upstream.StartS3(ctx, upstream.S3Options{AccessKey: accessKey, SecretKey: secretKey}); err != nil {
		return err
	}
	stops.Add(s3.Close)
	return nil
}

// needStock skips the test where there are no Flux controllers.
func needStock(t *testing.T) {
	t.Helper()
	if stockBin == "" {
		t.Skip("PEER_BIN names no folder with the Flux controllers to move from and to; docs/development.md says how to come by them")
	}
}
