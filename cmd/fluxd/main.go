// Command fluxd is all of Flux in one process: it watches sources and makes the
// cluster match them.
//
// This package holds flags and wiring and no logic. run builds every part once,
// connects them, and ends them in the reverse order.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		stop()
		os.Exit(exit(err))
	}
}
