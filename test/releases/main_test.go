package releases

import (
	"testing"

	"github.com/fluxd/fluxd/test/harness/suite"
)

// shared is what the tests share. What waits for another object is woken or waits for
// longer than any test; a failure is tried again soon, however many there were.
var shared = &suite.Suite{Flags: []string{"--min-retry-delay=200ms", "--max-retry-delay=2s", "--requeue-dependency=1h"}}

func TestMain(m *testing.M) { shared.Main(m, func() {}) }
