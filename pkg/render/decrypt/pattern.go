package decrypt

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that takes no memory before it is needed: most
// processes never decrypt.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
