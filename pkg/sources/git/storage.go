package git

import (
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/memory"
)

// bounded keeps objects in memory up to a limit of bytes, whatever a packfile
// says of their sizes.
type bounded struct {
	*memory.Storage
	left, limit int64
}

func newBounded(limit int64) *bounded {
	return &bounded{Storage: memory.NewStorage(), left: limit, limit: limit}
}

// NewEncodedObject returns an object whose bytes count.
func (b *bounded) NewEncodedObject() plumbing.EncodedObject { return &boundedObject{store: b} }

// boundedObject refuses bytes over the limit of its store.
type boundedObject struct {
	plumbing.MemoryObject
	store *bounded
}

// Write implements [io.Writer].
func (o *boundedObject) Write(p []byte) (int, error) {
	if o.store.left -= int64(len(p)); o.store.left < 0 {
		return 0, fmt.Errorf("%w: its objects have more than %d bytes", ErrTooLarge, o.store.limit)
	}
	return o.MemoryObject.Write(p)
}

// Writer implements [plumbing.EncodedObject].
func (o *boundedObject) Writer() (io.WriteCloser, error) { return o, nil }
