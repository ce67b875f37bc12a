package artifacts

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Digest is the SHA-256 of some bytes.
type Digest [sha256.Size]byte

// packFrom is the size from which a blob is worth compressing.
const packFrom = 1 << 10

// blob is the content of one or more files. It is immutable but for refs.
type blob struct {
	sum    Digest
	size   int    // of the content
	data   []byte // the content, or its zstd form if packed
	packed bool
	final  bool // packed or not worth it; set before the blob is shared
	refs   int  // trees in the store that hold it; guarded by the store
}

// blobOverhead is roughly what a blob costs beside its data.
const blobOverhead = 128

func newBlob(content []byte, sum Digest) *blob {
	return &blob{sum: sum, size: len(content), data: append([]byte(nil), content...)}
}

// pack compresses the blob where that saves something. It must not be read at
// the same time.
func (b *blob) pack() {
	if b.final {
		return
	}
	b.final = true
	if b.size < packFrom {
		return
	}
	enc := encoders.Get().(*zstd.Encoder)
	packed := enc.EncodeAll(b.data, nil)
	encoders.Put(enc)
	if len(packed) < b.size-b.size/8 {
		b.data, b.packed = append([]byte(nil), packed...), true
	}
}

// cost is what the blob takes of the budget.
func (b *blob) cost() int64 { return int64(len(b.data)) + blobOverhead }

// content returns the bytes of the file. They must not be changed.
func (b *blob) content() ([]byte, error) {
	if !b.packed {
		return b.data, nil
	}
	dec := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(dec)
	content, err := dec.DecodeAll(b.data, make([]byte, 0, b.size))
	if err != nil {
		return nil, fmt.Errorf("unpack a blob: %w", err)
	}
	return content, nil
}

// The coders are pooled so that idle ones are garbage: an idle process holds
// none. Neither option set can fail.
var (
	encoders = sync.Pool{New: func() any {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
			zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(128<<10), zstd.WithEncoderCRC(false))
		if err != nil {
			panic(err)
		}
		return enc
	}}
	decoders = sync.Pool{New: func() any {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic(err)
		}
		return dec
	}}
)
