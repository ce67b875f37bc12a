package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
)

var drivePattern = regexp.MustCompile(`^[a-zA-Z]:/`)

// unpack reads the files of a packaged chart. It goes by Helm's rules for names,
// and reads to the end, so that the checksum of the archive is known to be right.
func unpack(archive []byte, a *allowance) ([]*loader.BufferedFile, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("%w: it is no compressed archive: %w", ErrChart, err)
	}
	t := tar.NewReader(&stoppable{ctx: a.ctx, r: io.LimitReader(z, 4*a.limits.Total)})
	var files []*loader.BufferedFile
	for {
		header, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, broken(err)
		}
		file, err := unpackFile(t, header, a)
		if err != nil {
			return nil, err
		}
		if file != nil {
			files = append(files, file)
		}
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(z, a.limits.Total)); err != nil && !errors.Is(err, gzip.ErrHeader) {
		return nil, broken(err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: there are no files in the archive", ErrChart)
	}
	return files, nil
}

// unpackFile returns one file of an archive, nil if the entry is none. What is
// neither file nor directory is an empty file, as it is to Helm.
func unpackFile(t *tar.Reader, h *tar.Header, a *allowance) (*loader.BufferedFile, error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil, nil
	}
	name, err := memberName(h.Name, h.FileInfo().IsDir())
	if err != nil || name == "" {
		return nil, err
	}
	if err := a.take(name, max(h.Size, 0)); err != nil {
		return nil, err
	}
	var data bytes.Buffer
	if _, err := data.ReadFrom(t); err != nil {
		return nil, broken(err)
	}
	return &loader.BufferedFile{Name: name, Data: bytes.TrimPrefix(data.Bytes(), utf8BOM)}, nil
}

var utf8BOM = []byte("\ufeff")

// memberName returns the name of a file within the chart, which is one folder of
// the archive; empty for a folder.
func memberName(raw string, isDir bool) (string, error) {
	name := raw
	if strings.ContainsRune(raw, '\\') { // made on Windows
		name = strings.ReplaceAll(raw, "\\", "/")
	}
	base, inner, _ := strings.Cut(name, "/")
	clean := path.Clean(inner)
	switch {
	case path.IsAbs(name), path.IsAbs(inner), base == "..":
		return "", fmt.Errorf("%w: it contains the absolute or outward path %q", ErrChart, clip(raw))
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return "", fmt.Errorf("%w: it contains %q, which leads out of it", ErrChart, clip(raw))
	case drivePattern.MatchString(clean), strings.ContainsRune(raw, 0):
		return "", fmt.Errorf("%w: it contains the illegal name %q", ErrChart, clip(raw))
	case isDir:
		return "", nil
	case clean == ".":
		return "", fmt.Errorf("%w: it contains %q outside of its folder", ErrChart, clip(raw))
	}
	return clean, nil
}

// stoppable ends when ctx does.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

// Read implements [io.Reader].
func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// broken says that an archive cannot be read to its end.
func broken(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the archive ends too early", ErrChart)
	}
	return fmt.Errorf("%w: the archive is damaged: %w", ErrChart, err)
}

// expand replaces the archives in the charts folder by their files, so that what
// is nested counts as well. A folder of such a name cannot be in an archive
// beside it.
func expand(files []*loader.BufferedFile, a *allowance, depth int) ([]*loader.BufferedFile, error) {
	var out []*loader.BufferedFile
	for _, f := range files {
		if !nestedArchive(f.Name) {
			out = append(out, f)
			continue
		}
		if depth == maxNesting {
			return nil, fmt.Errorf("%w: charts are nested more than %d deep", ErrChart, maxNesting)
		}
		inner, err := unpack(f.Data, a)
		if err == nil {
			inner, err = expand(inner, a, depth+1)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", clip(f.Name), err)
		}
		for _, g := range inner {
			out = append(out, &loader.BufferedFile{Name: f.Name + expanded + "/" + g.Name, Data: g.Data})
		}
	}
	return out, nil
}

// expanded marks the folder that stands for an archive.
const expanded = "~"

// nestedArchive says whether Helm takes a file for a packaged subchart of the chart
// or of one of its subcharts.
func nestedArchive(name string) bool {
	dir, file := path.Split(name)
	if path.Ext(file) != ".tgz" || strings.IndexAny(file, "_.") == 0 {
		return false
	}
	for dir != "" { // charts/, charts/a/charts/, and so on
		if !strings.HasSuffix(dir, "charts/") {
			return false
		}
		dir = strings.TrimSuffix(dir, "charts/")
		if dir == "" {
			return true
		}
		dir, _ = path.Split(strings.TrimSuffix(dir, "/"))
	}
	return false
}
