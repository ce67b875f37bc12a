package sources

import (
	"strconv"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/suite"
)

// What all tests share.
var (
	cluster *harness.Cluster
	shared  *harness.Daemon
	// binary is the daemon, credentials the kubeconfig that it gets.
	binary, credentials string
)

// ownLabel marks the objects that a daemon of its own looks after, by the
// namespace of the test. The shared daemon leaves these alone.
const ownLabel = suite.OwnLabel

func TestMain(m *testing.M) {
	s := &suite.Suite{Flags: flags()}
	s.Main(m, func() { cluster, shared, binary, credentials = s.Cluster, s.Daemon, s.Binary, s.Credentials })
}

// end ends a daemon, which must be quick and without an error.
func end(d *harness.Daemon) error { return suite.End(d) }

// maxSource is the most bytes that a source may have, and an index of charts.
const maxSource = 2 << 20

// flags are those of every daemon here. What waits for another object is woken or
// waits for longer than any test. A failure is tried again soon, however many there
// were.
func flags() []string {
	return []string{
		"--min-retry-delay=200ms", "--max-retry-delay=2s", "--requeue-dependency=1h", "--feature-gates=ExternalArtifact=true",
		"--source-max-size=" + strconv.Itoa(maxSource), "--helm-index-max-size=" + strconv.Itoa(maxSource),
	}
}
