package signaturetest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Mirror is a repository of The Update Framework with one file, as the public Sigstore
// instance has one.
type Mirror struct {
	Server *httptest.Server
	// Anchor is the first metadata of the root role, which clients come with.
	Anchor []byte

	key   Key
	keyID string

	mu       sync.Mutex // guards what follows
	files    map[string][]byte
	requests int
	broken   bool
}

// NewMirror publishes a trusted root that is good until a time.
func NewMirror(root []byte, until time.Time) *Mirror {
	m := &Mirror{key: NewEd25519(), files: make(map[string][]byte)}
	m.Server = httptest.NewServer(m)
	public := m.describe()
	id := sha256.Sum256(JSON(public))
	m.keyID = hex.EncodeToString(id[:])
	role := map[string]any{"keyids": []string{m.keyID}, "threshold": 1}
	m.Anchor = m.sign("root", until, map[string]any{
		"consistent_snapshot": true, "keys": map[string]any{m.keyID: public},
		"roles": map[string]any{"root": role, "timestamp": role, "snapshot": role, "targets": role},
	})
	m.Publish(root, until)
	return m
}

func (m *Mirror) describe() map[string]any {
	key, _ := m.key.Public().(ed25519.PublicKey) // that is what was made
	return map[string]any{
		"keytype": "ed25519", "scheme": "ed25519", "keyval": map[string]any{"public": hex.EncodeToString(key)},
	}
}

// Publish puts a trusted root in the place of that which was there.
func (m *Mirror) Publish(root []byte, until time.Time) {
	sum := sha256.Sum256(root)
	targets := m.sign("targets", until, map[string]any{"targets": map[string]any{
		"trusted_root.json": map[string]any{"length": len(root), "hashes": map[string]any{"sha256": hex.EncodeToString(sum[:])}},
	}})
	snapshot := m.sign("snapshot", until, map[string]any{"meta": map[string]any{"targets.json": map[string]any{"version": 1}}})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files["/1.root.json"], m.files["/1.targets.json"], m.files["/1.snapshot.json"] = m.Anchor, targets, snapshot
	m.files["/timestamp.json"] = m.sign("timestamp", until, map[string]any{"meta": map[string]any{"snapshot.json": map[string]any{"version": 1}}})
	m.files["/targets/"+hex.EncodeToString(sum[:])+".trusted_root.json"] = root
}

func (m *Mirror) sign(role string, until time.Time, signed map[string]any) []byte {
	signed["_type"], signed["spec_version"], signed["version"] = role, "1.0.31", 1
	signed["expires"] = until.UTC().Format(time.RFC3339)
	return JSON(map[string]any{
		"signed":     signed,
		"signatures": []any{map[string]any{"keyid": m.keyID, "sig": hex.EncodeToString(m.key.Sign(JSON(signed)))}},
	})
}

// Break makes it answer nothing but errors, or mends it.
func (m *Mirror) Break(broken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = broken
}

// Spoil changes every file but the metadata.
func (m *Mirror) Spoil() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, content := range m.files {
		if strings.HasPrefix(name, "/targets/") {
			m.files[name] = append([]byte(" "), content[1:]...)
		}
	}
}

// Requests returns how many there were since the last time.
func (m *Mirror) Requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.requests
	m.requests = 0
	return n
}

// ServeHTTP implements [http.Handler].
func (m *Mirror) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	content, ok := m.files[req.URL.Path]
	switch {
	case m.broken:
		http.Error(w, "broken", http.StatusInternalServerError)
	case !ok:
		http.NotFound(w, req)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content) // who does not read it does not want it
	}
}
