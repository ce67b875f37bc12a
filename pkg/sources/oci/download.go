package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxResumes is how often one download goes on where it broke off.
const maxResumes = 5

// download is the body of a blob. On a bad line it goes on where it broke off, as far as
// the registry serves parts of blobs, instead of having everything sent again.
type download struct {
	ctx     context.Context
	client  *client
	blob    Descriptor
	body    io.ReadCloser
	got     int64
	resumes int
}

// Read implements [io.Reader].
func (d *download) Read(p []byte) (int, error) {
	for {
		n, err := d.body.Read(p)
		d.got += int64(n)
		if err == nil || d.got >= d.blob.Size || d.ctx.Err() != nil {
			return n, err
		}
		if d.resume() != nil {
			return n, err // how it broke off says more
		}
		if n > 0 {
			return n, nil
		}
	}
}

// errWhole says that a registry would send everything again.
var errWhole = errors.New("the registry does not serve parts of blobs")

// resume asks for the rest.
func (d *download) resume() error {
	if d.got == 0 || d.resumes == maxResumes {
		return errWhole
	}
	d.resumes++
	scheme := "https"
	if d.client.plain {
		scheme = "http"
	}
	url := fmt.Sprintf("%s://%s/v2/%s/blobs/%s", scheme, d.client.name.host(), d.client.name.Path, d.blob.Digest)
	req, err := http.NewRequestWithContext(d.ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", d.got, d.blob.Size-1))
	res, err := d.client.Do(req)
	if err != nil {
		return err
	}
	rest := fmt.Sprintf("bytes %d-", d.got)
	if res.StatusCode != http.StatusPartialContent || !strings.HasPrefix(res.Header.Get("Content-Range"), rest) {
		return errors.Join(errWhole, res.Body.Close())
	}
	_ = d.body.Close() // it is broken
	d.body = res.Body
	return nil
}

// Close implements [io.Closer].
func (d *download) Close() error { return d.body.Close() }
