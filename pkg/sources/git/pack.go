package git

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage/memory"
)

const (
	// entryBytes is what the place of an object takes in memory, roughly.
	entryBytes = 64
	// keptBytes bounds the objects that are kept inflated because others are
	// described by their difference from them.
	keptBytes = 2 << 20
	// maxChain is how long a chain of differences may be, which is Git's bound.
	maxChain = 4095
)

var errDelta = errors.New("a difference in the packfile is malformed")

// pack is a packfile that stays compressed: an object is inflated each time it is
// read. It is for one goroutine.
//
// Lengths in a packfile are claims of the sender. An object is charged before it
// is inflated, and never gets longer than it claimed to be.
type pack struct {
	*memory.Storage // for what a packfile has not: references and the like
	ctx             context.Context
	memory          receiver
	scanner         *packfile.Scanner
	places          map[plumbing.Hash]int64
	kept            map[int64]content
	keptSize        int64
	limit           int64 // of all objects together
	largest         int64 // of the objects inflated so far
}

// content is an inflated object.
type content struct {
	kind plumbing.ObjectType
	data []byte
}

// openPack finds the objects in a packfile. All of them may have up to limit bytes.
// The context is for all that is read from the pack, too.
func openPack(ctx context.Context, r receiver, from *received, limit int64) (*pack, error) {
	p := &pack{
		Storage: memory.NewStorage(), ctx: ctx, memory: r, limit: limit, scanner: packfile.NewScanner(from.reader()),
		places: make(map[plumbing.Hash]int64), kept: make(map[int64]content),
	}
	deltas, err := p.scan()
	for len(deltas) > 0 && err == nil {
		deltas, err = p.resolve(deltas)
	}
	return p, err
}

// scan places the objects that are whole and returns where the others are.
func (p *pack) scan() (deltas []int64, err error) {
	_, count, err := p.scanner.Header()
	if err != nil {
		return nil, err
	}
	left := p.limit
	for range count {
		if err := p.memory.charge(p.ctx, entryBytes); err != nil {
			return nil, err
		}
		h, err := p.scanner.NextObjectHeader()
		if err != nil {
			return nil, err
		}
		if left -= h.Length; left < 0 {
			return nil, p.tooLarge()
		}
		if h.Type.IsDelta() {
			deltas = append(deltas, h.Offset)
			continue // the scanner skips it
		}
		hasher := plumbing.NewHasher(h.Type, h.Length)
		if _, _, err := p.scanner.NextObject(hasher); err != nil {
			return nil, err
		}
		p.places[hasher.Sum()] = h.Offset
	}
	return deltas, nil
}

// resolve places the objects that differ from others, as far as these are placed,
// and returns the rest.
func (p *pack) resolve(deltas []int64) (rest []int64, err error) {
	for _, offset := range deltas {
		c, err := p.inflate(offset, 0)
		switch {
		case errors.Is(err, plumbing.ErrObjectNotFound):
			rest = append(rest, offset)
		case err != nil:
			return nil, err
		default:
			p.places[plumbing.ComputeHash(c.kind, c.data)] = offset
		}
	}
	if len(rest) == len(deltas) {
		return nil, fmt.Errorf("%w: its base is not there", errDelta)
	}
	return rest, nil
}

// inflate returns the object at an offset, at the given depth of differences.
func (p *pack) inflate(offset int64, depth int) (content, error) {
	if c, ok := p.kept[offset]; ok {
		return c, nil
	}
	if depth > maxChain {
		return content{}, fmt.Errorf("%w: more than %d build upon each other", errDelta, maxChain)
	}
	h, err := p.scanner.SeekObjectHeader(offset)
	if err != nil {
		return content{}, err
	}
	if err := p.room(h.Length); err != nil {
		return content{}, err
	}
	data := bytes.NewBuffer(make([]byte, 0, h.Length))
	if _, _, err := p.scanner.NextObject(data); err != nil {
		return content{}, err
	}
	if !h.Type.IsDelta() {
		return content{h.Type, data.Bytes()}, nil
	}
	at := h.OffsetReference
	if h.Type == plumbing.REFDeltaObject {
		var ok bool
		if at, ok = p.places[h.Reference]; !ok {
			return content{}, plumbing.ErrObjectNotFound
		}
	}
	base, err := p.inflate(at, depth+1)
	if err != nil {
		return content{}, err
	}
	p.keep(at, base)
	return p.patch(base, data.Bytes())
}

func (p *pack) patch(base content, delta []byte) (content, error) {
	length, err := targetLength(delta)
	if err != nil {
		return content{}, err
	}
	if err := p.room(length); err != nil {
		return content{}, err
	}
	if len(base.data) == 0 {
		return content{}, fmt.Errorf("%w: its base is empty", errDelta)
	}
	data, err := packfile.PatchDelta(base.data, delta)
	return content{base.kind, data}, err
}

// targetLength reads how long the object is that a difference leads to.
func targetLength(delta []byte) (int64, error) {
	_, n := binary.Uvarint(delta) // the length of the base
	if n <= 0 {
		return 0, errDelta
	}
	length, n := binary.Uvarint(delta[n:])
	if n <= 0 || int64(length) < 0 {
		return 0, errDelta
	}
	return int64(length), nil
}

// room charges for an object of n bytes. What was charged for the largest object
// serves all, since they are inflated one after the other.
func (p *pack) room(n int64) error {
	switch {
	case n <= p.largest:
		return nil
	case n > p.limit:
		return p.tooLarge()
	}
	if err := p.memory.charge(p.ctx, n-p.largest); err != nil {
		return err
	}
	p.largest = n
	return nil
}

func (p *pack) tooLarge() error {
	return fmt.Errorf("%w: its objects have more than %d bytes", ErrTooLarge, p.limit)
}

// keep remembers an object from which others differ.
func (p *pack) keep(offset int64, c content) {
	size := int64(len(c.data))
	if _, known := p.kept[offset]; known || size > keptBytes/2 {
		return
	}
	if p.keptSize+size > keptBytes {
		clear(p.kept)
		p.keptSize = 0
	}
	p.kept[offset] = c
	p.keptSize += size
}

// object returns the object with an id.
func (p *pack) object(id plumbing.Hash) (content, error) {
	offset, ok := p.places[id]
	if !ok {
		return content{}, plumbing.ErrObjectNotFound
	}
	return p.inflate(offset, 0)
}

// blob returns the bytes of a file, which must not be changed.
func (p *pack) blob(id plumbing.Hash) ([]byte, error) {
	c, err := p.object(id)
	if err == nil && c.kind != plumbing.BlobObject {
		err = plumbing.ErrObjectNotFound
	}
	return c.data, err
}

// EncodedObject implements [storer.EncodedObjectStorer].
func (p *pack) EncodedObject(kind plumbing.ObjectType, id plumbing.Hash) (plumbing.EncodedObject, error) {
	c, err := p.object(id)
	if err != nil {
		return nil, err
	}
	if kind != plumbing.AnyObject && kind != c.kind {
		return nil, plumbing.ErrObjectNotFound
	}
	o := &plumbing.MemoryObject{}
	o.SetType(c.kind)
	_, err = o.Write(c.data)
	return o, err
}
