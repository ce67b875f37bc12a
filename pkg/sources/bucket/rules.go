package bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fluxd/fluxd/pkg/sources/ignore"
)

// maxRules bounds the object .sourceignore, in bytes.
const maxRules = 1 << 20

// rules are the object .sourceignore at the root of the bucket, if there is one.
type rules struct {
	exist   bool
	etag    string
	content []byte
}

// readRules gets the object .sourceignore, unless the one that is listed is known.
func (s *Source) readRules(ctx context.Context, listed Entry, known *Known) (rules, error) {
	if known != nil && known.place == s.Place && known.rules.exist && listed.ETag != "" && listed.ETag == known.rules.etag {
		return known.rules, nil
	}
	content, err := s.Service.Open(ctx, Entry{Key: ignore.File, ETag: listed.ETag, Version: listed.Version})
	if errors.Is(err, ErrGone) {
		return rules{}, nil
	}
	if err != nil {
		return rules{}, fmt.Errorf("get the object %s: %w", ignore.File, err)
	}
	defer content.Close()
	text, err := io.ReadAll(Bounded(content, maxRules, "the object "+ignore.File))
	if err != nil {
		return rules{}, fmt.Errorf("get the object %s: %w", ignore.File, err)
	}
	return rules{exist: true, etag: cmp.Or(content.ETag, listed.ETag), content: text}, nil
}

// matcher returns what decides with the rules, and with those of the object that names
// the bucket, which come last. There are no defaults.
func (r rules) matcher(own string) *ignore.Matcher {
	var all ignore.Rules
	all.Add(".", r.content)
	all.Add(".", []byte(own))
	return all.Bare()
}
