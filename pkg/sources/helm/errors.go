package helm

import (
	"errors"
	"strings"
)

var (
	// ErrIndex says that what a server offers as its index is none.
	ErrIndex = errors.New("not the index of a Helm repository")
	// ErrIndexTooLarge says that an index has more bytes than are accepted.
	ErrIndexTooLarge = errors.New("index is too large")
	// ErrNoChart says that a repository has no chart of the wanted name, or
	// none of the wanted version, or that the wanted version is no version.
	ErrNoChart = errors.New("no such chart")
	// ErrEntry says that the entry of a wanted chart cannot be read.
	ErrEntry = errors.New("unusable entry in the index")
)

// errLayout says that an index is written in a way that the scanner does not
// follow. It may still be valid YAML.
var errLayout = errors.New("the layout is not that of a generated index")

// maxEcho is how much of a foreign text an error repeats.
const maxEcho = 512

// clip returns a foreign text in a form that fits an error.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) > maxEcho {
		return text[:maxEcho] + " [...]"
	}
	return text
}
