package helm

import (
	"errors"

	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// What can be wrong with the input of a release. Each error that a function of this
// package returns wraps one of them, or is that of a context or of a function that was
// handed in.
var (
	// ErrChart says that something is no chart that can be used.
	ErrChart = helm.ErrChart
	// ErrValues says that values cannot be merged.
	ErrValues = errors.New("unusable values")
	// ErrSchema says that values are not what the schema of a chart asks for, or
	// that the schema cannot be used.
	ErrSchema = errors.New("values do not match the schema")
	// ErrTemplate says that a template does not parse or run.
	ErrTemplate = errors.New("template")
	// ErrManifest says that a template yields no objects.
	ErrManifest = errors.New("manifest")
	// ErrPostRender says that a post-renderer fails.
	ErrPostRender = errors.New("post-renderer")
	// ErrLimit says that a chart or its output is larger, deeper or slower than
	// accepted.
	ErrLimit = errors.New("limit exceeded")
	// ErrVersion says that the version of a chart does not fit its artifact.
	ErrVersion = errors.New("chart version")
)

// told is an error with a text of its own that still is one of the kinds above.
type told struct {
	kind error
	text string
}

func (e *told) Error() string { return e.text }

func (e *told) Unwrap() error { return e.kind }

// most is how many bytes of a foreign text an error repeats.
const most = 2048

// clip returns a foreign text in a form that fits an error.
func clip(text string) string {
	if len(text) > most {
		return text[:most] + " [...]"
	}
	return text
}
