package decrypt

import (
	"errors"
	"fmt"
	"strings"
)

// The nodes of a tree are branches, lists ([]any), comments in either, and leaves:
// string, int, float64, bool, [time.Time] and nil. What a document is does not matter
// to a tree: a file may have several, each a branch.

// branch is a mapping in the order of the file. The key of an item is a string, or a
// comment without a value.
type branch []item

type item struct{ key, value any }

// comment is a comment. An inline one stands behind a value, on its line.
type comment struct {
	text   string
	inline bool
}

// Bounds of a tree.
const (
	maxDepth = 256
	maxNodes = 500_000
)

// ErrLimit says that a file is larger, deeper or more entangled than accepted.
var ErrLimit = errors.New("limit exceeded")

// budget counts the nodes of a tree while it is built.
type budget struct{ nodes int }

// take counts one node at the given depth.
func (b *budget) take(depth int) error {
	b.nodes++
	switch {
	case depth > maxDepth:
		return fmt.Errorf("%w: it is nested deeper than %d", ErrLimit, maxDepth)
	case b.nodes > maxNodes:
		return fmt.Errorf("%w: it has more than %d nodes", ErrLimit, maxNodes)
	}
	return nil
}

// metadataKey is the key that belongs to SOPS.
const metadataKey = "sops"

var (
	errNoMetadata = errors.New("sops metadata not found")
	errMetadata   = errors.New("the sops metadata is not a mapping")
)

// cut takes the metadata out of the branches; that of the first one counts.
func cut(branches []branch) ([]branch, branch, error) {
	var metadata branch
	found := false
	for i, b := range branches {
		var rest branch
		for _, it := range b {
			if it.key != metadataKey {
				rest = append(rest, it)
				continue
			}
			if i > 0 {
				continue
			}
			m, ok := it.value.(branch)
			switch {
			case found:
				return nil, nil, errors.New("there is more than one sops entry")
			case !ok:
				return nil, nil, errMetadata
			}
			metadata, found = m, true
		}
		branches[i] = rest
	}
	if !found {
		return nil, nil, errNoMetadata
	}
	return branches, metadata, nil
}

// plain returns the branch as maps and slices, without its comments.
func plain(v any) any {
	switch v := v.(type) {
	case branch:
		m := make(map[string]any, len(v))
		for _, it := range v {
			if key, ok := it.key.(string); ok {
				m[key] = plain(it.value)
			}
		}
		return m
	case []any:
		list := make([]any, 0, len(v))
		for _, e := range v {
			if _, ok := e.(comment); !ok {
				list = append(list, plain(e))
			}
		}
		return list
	}
	return v
}

// pathString is how a leaf is bound to where it is: elements of lists share a path.
func pathString(path []string) string { return strings.Join(path, ":") + ":" }
