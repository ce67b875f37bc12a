package oci

import (
	"context"
	"errors"
	"fmt"
	"io"

	"oras.land/oras-go/v2/content"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// Blob opens content that a manifest describes. Reading it fails with [ErrDigest],
// instead of ending, if it is not what the descriptor says: what was read before is
// to be thrown away then. [ErrTooLarge] says that it is longer than Limits.Bytes.
//
// Registries may take as long as the content needs at a slow rate, whatever the
// deadline of ctx.
func (r *Repository) Blob(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	ctx, cancel := patient(ctx, d.Size)
	stream, err := r.open(ctx, d)
	if err != nil {
		cancel()
		return nil, err
	}
	stream.cancel = cancel
	return stream, nil
}

// open is Blob with the deadline as it is.
func (r *Repository) open(ctx context.Context, d Descriptor) (*blob, error) {
	doing := fmt.Sprintf("read the blob %s of", d.Digest)
	switch limit := r.maxBytes(); {
	case checkDigest(d.Digest.String()) != nil || d.Size < 0:
		return nil, r.failure(ctx, doing, fmt.Errorf("%w: its size or digest is impossible", ErrDigest))
	case d.Size > limit:
		return nil, r.failure(ctx, doing, fmt.Errorf("%w: it has %d bytes, of which %d are accepted", ErrTooLarge, d.Size, limit))
	}
	remote, err := r.connect(ctx)
	if err != nil {
		return nil, r.failure(ctx, doing, err)
	}
	body, err := remote.Blobs().Fetch(ctx, d)
	if err != nil {
		return nil, r.failure(ctx, doing, err)
	}
	whole := &download{ctx: ctx, client: r.client, blob: d, body: body}
	stream := &blob{cancel: func() {}, body: whole, left: d.Size}
	stream.verified = content.NewVerifyReader(whole, d)
	stream.explain = func(err error) error { return r.failure(ctx, doing, err) }
	return stream, nil
}

// blob is content on its way.
type blob struct {
	cancel   context.CancelFunc
	body     io.ReadCloser
	verified *content.VerifyReader
	explain  func(error) error
	left     int64
	err      error // what the reader ends with
}

// Read implements [io.Reader].
func (b *blob) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		b.err = b.end()
		return 0, b.err
	}
	n, err := b.verified.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF) && b.left > 0:
		b.err = b.explain(fmt.Errorf("%w: it ends %d bytes early", ErrDigest, b.left))
	case err != nil && !errors.Is(err, io.EOF):
		b.err = b.explain(err)
	}
	return n, b.err
}

// end says whether what was read is what was promised.
func (b *blob) end() error {
	if err := b.verified.Verify(); err != nil {
		return b.explain(fmt.Errorf("%w: %w", ErrDigest, err))
	}
	return io.EOF
}

// Close implements [io.Closer].
func (b *blob) Close() error {
	defer b.cancel()
	return b.body.Close()
}

// ReadBlob returns content that a manifest describes, whole. It is charged to
// memory while it arrives.
func (r *Repository) ReadBlob(ctx context.Context, d Descriptor) (data []byte, err error) {
	ctx, cancel := patient(ctx, d.Size)
	defer cancel()
	stream, err := r.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer closeWith(&err, stream)
	if err := r.charge(ctx, d.Size); err != nil {
		return nil, r.failure(ctx, fmt.Sprintf("read the blob %s of", d.Digest), err)
	}
	data = make([]byte, d.Size)
	if _, err := io.ReadFull(stream, data); err != nil {
		return nil, err
	}
	if _, err := stream.Read(nil); !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data, nil
}

// charge takes n bytes of memory, which may have to wait for other sources.
func (r *Repository) charge(ctx context.Context, n int64) error {
	err := r.options.Memory.Grow(ctx, n)
	if err != nil && !errors.Is(err, artifacts.ErrNoHeadroom) {
		return fmt.Errorf("wait for memory that other sources use: %w", err)
	}
	return err
}
