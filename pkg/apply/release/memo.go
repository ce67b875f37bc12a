package release

import (
	"hash/maphash"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/pkg/apply"
)

// memo remembers what owners have read or written themselves, and nothing of what
// others have: the names of storage namespaces are theirs to choose.
type memo struct {
	seed maphash.Seed

	mu   sync.Mutex // guards kept
	kept map[apply.Owner]seen
	crds map[apply.Owner]definitions
	seen map[apply.Owner]watched
}

// watched is what is compared for an owner.
type watched struct {
	secrets   Secrets
	version   int
	ignore    string
	inventory apply.Inventory
}

// seen is the last revision that an owner has seen, and as whom.
type seen struct {
	secrets      Secrets
	uid          types.UID
	version, tag string
	observation  Observation
	// inventory are the objects of the revision, if they are waited for.
	inventory apply.Inventory
}

func newMemo() *memo {
	return &memo{seed: maphash.MakeSeed(), kept: map[apply.Owner]seen{}, crds: map[apply.Owner]definitions{}, seen: map[apply.Owner]watched{}}
}

// recall returns what an owner remembers of a Secret in this version.
func (m *memo) recall(t Target, h head, tag Tag) (Observation, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.kept[t.Owner]
	if !ok || k.secrets != t.Secrets || k.uid != h.meta.UID || k.version != h.meta.ResourceVersion || k.tag != tag.key() {
		return Observation{}, false
	}
	return k.observation, true
}

// keep remembers a Secret in this version, and returns what is remembered.
func (m *memo) keep(t Target, h head, tag Tag, o Observation) Observation {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kept[t.Owner]
	if k.uid != h.meta.UID || k.secrets != t.Secrets {
		k.inventory = nil
	} else if k.version == h.meta.ResourceVersion && k.observation.Own {
		o.Own = true // with another tag
	}
	k.secrets, k.uid, k.version, k.tag, k.observation = t.Secrets, h.meta.UID, h.meta.ResourceVersion, tag.key(), o
	m.kept[t.Owner] = k
	return o
}

// noted keeps up with a mark that the owner itself has written: nothing else of the
// revision has changed with it.
func (m *memo) noted(t Target, before, after head) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.kept[t.Owner]
	if ok && k.secrets == t.Secrets && k.uid == after.meta.UID && k.version == before.meta.ResourceVersion {
		k.version = after.meta.ResourceVersion
		k.observation.marked(after.mark)
		m.kept[t.Owner] = k
	}
}

// inventory returns the objects of the revision that the owner waits for. They are
// fixed when it is created.
func (m *memo) inventory(t Target, h head) (apply.Inventory, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.kept[t.Owner]
	if !ok || k.secrets != t.Secrets || k.uid != h.meta.UID || k.inventory == nil {
		return nil, false
	}
	return k.inventory, true
}

func (m *memo) keepInventory(t Target, h head, inv apply.Inventory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kept[t.Owner]
	if k.uid != h.meta.UID || k.secrets != t.Secrets {
		k = seen{secrets: t.Secrets, uid: h.meta.UID}
	}
	k.inventory = inv
	m.kept[t.Owner] = k
}

func (m *memo) forget(o apply.Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, o)
	delete(m.crds, o)
	delete(m.seen, o)
}

// watched returns the objects that are compared for an owner.
func (m *memo) watched(t Target, w Watch) (apply.Inventory, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.seen[t.Owner]
	if !ok || s.secrets != t.Secrets || s.version != w.Version || s.ignore != w.rules() {
		return nil, false
	}
	return s.inventory, true
}

func (m *memo) keepWatched(t Target, w Watch, inv apply.Inventory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[t.Owner] = watched{t.Secrets, w.Version, w.rules(), inv}
}

func (m *memo) dropWatched(o apply.Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.seen, o)
}

// definitions returns what was applied for an owner that waits for it.
func (m *memo) definitions(o apply.Owner) (definitions, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.crds[o]
	return d, ok
}

func (m *memo) keepDefinitions(o apply.Owner, d definitions) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crds[o] = d
}

func (m *memo) dropDefinitions(o apply.Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.crds, o)
}

func (t Tag) key() string { return t.Digest + " " + t.OCIDigest }
