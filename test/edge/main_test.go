package edge

import (
	"testing"

	"github.com/fluxd/fluxd/test/harness/suite"
)

// shared is what the tests share. A failure is tried again soon.
var shared = &suite.Suite{Flags: []string{"--min-retry-delay=200ms", "--max-retry-delay=2s"}}

func TestMain(m *testing.M) { shared.Main(m, func() {}) }
