package artifacts

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// WriteTarGz writes the deterministic tar.gz of the tree: sorted paths, no
// times, no owners, modes 0644 and 0755. The deflate blocks are stored, not
// compressed, so that the bytes, and with them the digest, never depend on the
// version of a compressor, and hashing them costs little more than hashing the
// content. Of a verbatim artifact it writes the file as it was received.
func (t *Tree) WriteTarGz(w io.Writer) error {
	if t.verbatim {
		content, err := t.files[0].blob.content()
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	}
	z, err := gzip.NewWriterLevel(w, gzip.NoCompression)
	if err != nil {
		return fmt.Errorf("write an archive: %w", err)
	}
	if err := t.writeTar(z); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write an archive: %w", err)
	}
	return nil
}

func (t *Tree) writeTar(w io.Writer) error {
	tw := tar.NewWriter(w)
	for _, f := range t.files {
		content, err := f.blob.content()
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Size: int64(len(content)), Mode: int64(f.mode())}
		if err := tw.WriteHeader(header); err != nil {
			return fmt.Errorf("write %s to an archive: %w", f.path, err)
		}
		if _, err := tw.Write(content); err != nil {
			return fmt.Errorf("write %s to an archive: %w", f.path, err)
		}
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("write an archive: %w", err)
	}
	return nil
}

// seal returns the tree of sorted files with its digest. The content is in
// memory, so that writing it to a hash cannot fail.
func seal(files []file) *Tree {
	t := &Tree{files: files}
	h := sha256.New()
	n := &counter{w: h}
	if err := t.WriteTarGz(n); err != nil {
		panic(err)
	}
	t.digest, t.size = "sha256:"+hex.EncodeToString(h.Sum(nil)), n.n
	return t
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.w.Write(p)
}
