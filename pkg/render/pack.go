package render

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// packer compresses what a cache holds. Its coders are pooled so that idle ones are
// garbage: an idle process holds none.
type packer struct{ encoders, decoders sync.Pool }

func (p *packer) pack(text []byte) ([]byte, error) {
	enc, ok := p.encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
			zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(128<<10))
		if err != nil {
			return nil, fmt.Errorf("pack a build: %w", err)
		}
	}
	defer p.encoders.Put(enc)
	packed := enc.EncodeAll(text, nil)
	return append(make([]byte, 0, len(packed)), packed...), nil
}

func (p *packer) unpack(packed []byte, size int) ([]byte, error) {
	dec, ok := p.decoders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)); err != nil {
			return nil, fmt.Errorf("unpack a build: %w", err)
		}
	}
	defer p.decoders.Put(dec)
	text, err := dec.DecodeAll(packed, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("unpack a build: %w", err)
	}
	return text, nil
}
