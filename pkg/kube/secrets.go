package kube

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
)

const (
	// idleSecret is how long a Secret is kept that nobody reads: longer than what is
	// looked at every ten minutes needs it.
	idleSecret = 15 * time.Minute
	// largeSecret is how many bytes a Secret may have to be kept, and allSecrets how
	// many all have together.
	largeSecret = 64 << 10
	allSecrets  = 1 << 20
	// secretCost is what a kept Secret takes besides its data, in bytes.
	secretCost = 256
)

// Secrets reads Secrets like a [Reader] and keeps what was read until it changes, so
// that what is looked at every minute costs the API server nothing while nothing
// happens.
//
// It learns of changes from a watch of the metadata of Secrets, which begins with the
// first read and holds nothing: of a Secret that nobody has read, nothing is kept.
// While that watch is not up, every read is live. What is kept is bounded, and let go
// of when it has not been read for a quarter of an hour. A Secret that is not there is
// never remembered.
//
// An answer may be behind the API server by as much as the watch is, which is some
// milliseconds. Who cannot have that reads live.
type Secrets struct {
	reader  *Reader
	changes metadata.ResourceInterface
	wanted  chan struct{} // closed when somebody wants to read

	mu sync.Mutex // guards the fields below
	// following says that every change is going to be told of.
	following bool
	// moved counts the changes, of whatever Secret. A read during which it moved is
	// not kept: it may be older than the change.
	moved uint64
	asked bool // whether wanted is closed
	size  int
	kept  map[types.NamespacedName]*keptSecret
	sweep *time.Timer // nil until something is kept
}

type keptSecret struct {
	data map[string][]byte
	kind string
	size int
	used time.Time
}

// NewSecrets returns Secrets that reads with reader, and watches within the namespace of
// scope. It keeps nothing before [Secrets.Start].
func NewSecrets(c *Clients, reader *Reader, scope Scope) (*Secrets, error) {
	client, err := metadata.NewForConfigAndClient(c.config, c.http)
	if err != nil {
		return nil, fmt.Errorf("set up the metadata client: %w", err)
	}
	return &Secrets{
		reader: reader, changes: client.Resource(secretResource).Namespace(scope.Namespace),
		wanted: make(chan struct{}), kept: make(map[types.NamespacedName]*keptSecret),
	}, nil
}

// Secret returns the data and the type of a Secret, as [Reader.Secret] does. The bytes
// are shared and must not be changed.
func (s *Secrets) Secret(ctx context.Context, namespace, name string) (data map[string][]byte, kind string, err error) {
	of := types.NamespacedName{Namespace: namespace, Name: name}
	known, moved := s.recall(of)
	if known != nil {
		return maps.Clone(known.data), known.kind, nil
	}
	data, kind, err = s.reader.Secret(ctx, namespace, name)
	if err != nil {
		return nil, "", err
	}
	s.keep(of, data, kind, moved)
	return maps.Clone(data), kind, nil
}

// recall returns what is kept of a Secret, nil if that is nothing, and how often
// anything had changed by then.
func (s *Secrets) recall(of types.NamespacedName) (known *keptSecret, moved uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked {
		s.asked = true
		close(s.wanted)
	}
	if known = s.kept[of]; known != nil {
		known.used = time.Now()
	}
	return known, s.moved
}

// keep keeps what was read, unless something changed since or it is too much.
func (s *Secrets) keep(of types.NamespacedName, data map[string][]byte, kind string, moved uint64) {
	size := secretCost
	for key, value := range data {
		size += len(key) + len(value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.following || s.moved != moved || size > largeSecret {
		return
	}
	s.drop(of)
	if s.size+size > allSecrets {
		return
	}
	s.kept[of] = &keptSecret{data: data, kind: kind, size: size, used: time.Now()}
	s.size += size
	if s.sweep == nil {
		s.sweep = time.AfterFunc(idleSecret, s.expire)
	}
}

// Changed has a Secret read anew. Whoever wakes others because a Secret has changed calls
// it before, since this is not the only watch.
func (s *Secrets) Changed(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved++
	s.drop(types.NamespacedName{Namespace: namespace, Name: name})
}

// drop forgets a Secret. mu is held.
func (s *Secrets) drop(of types.NamespacedName) {
	if known, ok := s.kept[of]; ok {
		s.size -= known.size
		delete(s.kept, of)
	}
}

// expire lets go of what nobody has read for a while, and looks again while anything is
// left.
func (s *Secrets) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for of, known := range s.kept {
		if now.Sub(known.used) >= idleSecret {
			s.drop(of)
		}
	}
	if s.sweep = nil; len(s.kept) > 0 {
		s.sweep = time.AfterFunc(idleSecret/3, s.expire)
	}
}

// follow says whether changes are told of from now on. Nothing is kept from before.
func (s *Secrets) follow(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.following = is
	s.moved++
	clear(s.kept)
	s.size = 0
}
