package kube

import (
	"context"

	"github.com/go-logr/logr"
)

// warnings logs what the API server warns of, such as a deprecated version, for
// those who look for it: most of it is about objects that others wrote.
type warnings struct{}

// warning is the code of warnings that are meant for people (RFC 7234, 5.5).
const warning = 299

// HandleWarningHeaderWithContext implements [rest.WarningHandlerWithContext].
func (warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if code == warning && text != "" {
		logr.FromContextOrDiscard(ctx).V(1).Info("the API server warns", "warning", text)
	}
}
