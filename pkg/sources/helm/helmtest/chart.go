package helmtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Member is an entry of an archive.
type Member struct {
	Name, Content string
	// Type is that of a tar header; zero is a file. Content is then where a link
	// leads.
	Type byte
}

// Pack returns an archive.
func Pack(members ...Member) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	var errs []error
	for _, m := range members {
		h := &tar.Header{Name: m.Name, Typeflag: m.Type, Mode: 0o644, Size: int64(len(m.Content))}
		if m.Type == tar.TypeSymlink {
			h.Linkname, h.Size = m.Content, 0
		}
		errs = append(errs, w.WriteHeader(h))
		if h.Size > 0 {
			_, err := io.WriteString(w, m.Content)
			errs = append(errs, err)
		}
	}
	if err := errors.Join(append(errs, w.Close(), z.Close())...); err != nil {
		panic(err) // memory does not fail
	}
	return out.Bytes()
}

// Manifest returns a Chart.yaml, with more lines at its end.
func Manifest(name, version string, more ...string) string {
	return "apiVersion: v2\nname: " + name + "\nversion: " + version + "\n" + strings.Join(more, "")
}

// Chart returns a packaged chart with values and one template, and more files.
func Chart(name, version string, more ...Member) []byte {
	return Pack(append([]Member{
		{Name: name + "/Chart.yaml", Content: Manifest(name, version)},
		{Name: name + "/values.yaml", Content: "color: red\nsize: 1\n"},
		{Name: name + "/templates/x.yaml", Content: "x: {{ .Values.color }}\n"},
	}, more...)...)
}

// Files returns what is in an archive, by name.
func Files(archive []byte) (map[string]string, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	out := make(map[string]string)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if _, twice := out[h.Name]; twice || h.ModTime.Unix() != 0 {
			return nil, fmt.Errorf("%s is there twice, or has a time", h.Name)
		}
		out[h.Name] = string(data)
	}
}

// Offer puts a chart on the server and returns its entry for [Server.Publish].
func (s *Server) Offer(name, version string, archive []byte) string {
	file := name + "-" + version + ".tgz"
	s.Put("/"+file, archive)
	return fmt.Sprintf("  - apiVersion: v2\n    created: \"2024-01-01T00:00:00Z\"\n    digest: %s\n    name: %s\n    urls:\n    - %s\n    version: %s\n",
		Digest(archive), name, file, version)
}

// Publish puts an index on the server that lists the entries of charts by name, in the
// order given: a name, then its entries. It returns the index.
func (s *Server) Publish(charts ...[]string) []byte {
	text := "apiVersion: v1\nentries:\n"
	for _, chart := range charts {
		text += "  " + chart[0] + ":\n" + strings.Join(chart[1:], "")
	}
	text += "generated: \"2024-01-01T00:00:00Z\"\n"
	s.Put("/index.yaml", []byte(text))
	return []byte(text)
}
