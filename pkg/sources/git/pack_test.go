package git

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// packer writes packfiles, honest ones and others.
type packer struct{ bytes.Buffer }

func newPacker(objects uint32) *packer {
	p := &packer{}
	p.WriteString("PACK")
	_ = binary.Write(p, binary.BigEndian, []uint32{2, objects})
	return p
}

// object adds an object that claims to have so many bytes and returns where.
func (p *packer) object(kind plumbing.ObjectType, claimed int, reference, data []byte) int {
	at := p.Len()
	first := byte(kind)<<4 | byte(claimed&15)
	for claimed >>= 4; claimed > 0; claimed >>= 7 {
		p.WriteByte(first | 0x80)
		first = byte(claimed & 0x7f)
	}
	p.WriteByte(first)
	p.Write(reference)
	z := zlib.NewWriter(p)
	_, _ = z.Write(data)
	_ = z.Close()
	return at
}

// delta describes an object of length target, claimed, that is the first n bytes
// of a base and then text.
func delta(base, claimed, n int, text string) []byte {
	d := binary.AppendUvarint(nil, uint64(base))
	d = binary.AppendUvarint(d, uint64(claimed))
	d = append(d, 0x80|0x10, byte(n)) // copy n bytes from the beginning
	return append(append(d, byte(len(text))), text...)
}

func (p *packer) open(t *testing.T, limit int64, room *artifacts.Headroom) (*pack, error) {
	t.Helper()
	p.Write(make([]byte, 20)) // the checksum
	r := receiver{limit: 1 << 20, memory: room.Share()}
	all, err := r.readAll(t.Context(), &p.Buffer)
	if err != nil {
		t.Fatal(err)
	}
	return openPack(t.Context(), r, all, limit)
}

func blobID(text string) plumbing.Hash {
	return plumbing.ComputeHash(plumbing.BlobObject, []byte(text))
}

func TestPackWithDifferences(t *testing.T) {
	const text = "hello, world"
	base := blobID(text)
	p := newPacker(4)
	// A chain, listed before what it builds upon.
	second := blobID("hello, there")
	p.object(plumbing.REFDeltaObject, len(delta(12, 10, 7, "you")), second[:], delta(12, 10, 7, "you"))
	p.object(plumbing.REFDeltaObject, len(delta(12, 12, 7, "there")), base[:], delta(12, 12, 7, "there"))
	at := p.object(plumbing.BlobObject, len(text), nil, []byte(text))
	back := byte(p.Len() - at)
	p.object(plumbing.OFSDeltaObject, len(delta(12, 9, 5, "!!!!")), []byte{back}, delta(12, 9, 5, "!!!!"))
	opened, err := p.open(t, 1<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{text, "hello, there", "hello, you", "hello!!!!"} {
		got, err := opened.blob(blobID(want))
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if _, err := opened.blob(blobID("other")); !errors.Is(err, plumbing.ErrObjectNotFound) {
		t.Errorf("an object that is not there: %v", err)
	}
	if _, err := opened.EncodedObject(plumbing.TreeObject, base); !errors.Is(err, plumbing.ErrObjectNotFound) {
		t.Errorf("a file that is asked for as a directory: %v", err)
	}
}

// A pack in which something is not as it was made is refused or gives what it should;
// nothing else happens, wherever the damage is.
func TestDamagedPacks(t *testing.T) {
	const text = "hello, world"
	base := blobID(text)
	whole := newPacker(2)
	whole.object(plumbing.BlobObject, len(text), nil, []byte(text))
	whole.object(plumbing.REFDeltaObject, len(delta(12, 12, 7, "there")), base[:], delta(12, 12, 7, "there"))
	for i := range whole.Len() {
		for _, flip := range []byte{0x01, 0x10, 0x80, 0xff} {
			p := &packer{}
			p.Write(whole.Bytes())
			p.Bytes()[i] ^= flip
			opened, err := p.open(t, 1<<20, artifacts.NewHeadroom(1<<20))
			if err != nil {
				continue
			}
			for _, want := range []string{text, "hello, there"} {
				if got, err := opened.blob(blobID(want)); err == nil && string(got) != want {
					t.Errorf("with %#x at %d, %q became %q", flip, i, want, got)
				}
			}
		}
	}
}

func TestPackThatLies(t *testing.T) {
	const text = "hello, world"
	base := blobID(text)
	zeros := make([]byte, 1<<20)
	for name, test := range map[string]struct {
		objects uint32
		write   func(*packer)
		room    *artifacts.Headroom
		want    string
	}{
		"too many bytes": {
			objects: 1,
			write:   func(p *packer) { p.object(plumbing.BlobObject, len(zeros), nil, zeros) },
			want:    "more than 100000 bytes",
		},
		"more bytes than claimed": {
			objects: 1,
			write:   func(p *packer) { p.object(plumbing.BlobObject, 10, nil, zeros) },
			want:    "size",
		},
		"a difference that leads to too many bytes": {
			objects: 2,
			write: func(p *packer) {
				p.object(plumbing.BlobObject, len(text), nil, []byte(text))
				d := delta(12, 1<<40, 7, "there")
				p.object(plumbing.REFDeltaObject, len(d), base[:], d)
			},
			want: "more than 100000 bytes",
		},
		"an object that does not fit into memory": {
			objects: 2,
			write: func(p *packer) {
				p.object(plumbing.BlobObject, len(text), nil, []byte(text))
				d := delta(12, 90_000, 7, "there")
				p.object(plumbing.REFDeltaObject, len(d), base[:], d)
			},
			room: artifacts.NewHeadroom(80_000),
			want: "more than 80000 bytes",
		},
		"a difference without a base": {
			objects: 1,
			write: func(p *packer) {
				d := delta(12, 12, 7, "there")
				p.object(plumbing.REFDeltaObject, len(d), base[:], d)
			},
			want: "base is not there",
		},
		"a difference of nothing": {
			objects: 2,
			write: func(p *packer) {
				p.object(plumbing.BlobObject, len(text), nil, []byte(text))
				p.object(plumbing.REFDeltaObject, 1, base[:], []byte{0x80})
			},
			want: "malformed",
		},
		"the end is missing": {
			objects: 1,
			write: func(p *packer) {
				p.object(plumbing.BlobObject, len(text), nil, []byte(text))
				p.Truncate(p.Len() - 5)
			},
			want: "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPacker(test.objects)
			test.write(p)
			_, err := p.open(t, 100_000, test.room)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %q", err, test.want)
			}
		})
	}
}
