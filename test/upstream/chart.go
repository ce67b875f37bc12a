package upstream

import (
	"cmp"
	"fmt"
	"strings"
)

// Chart is a Helm chart to be.
type Chart struct {
	Name, Version string
	// Files are those beside Chart.yaml and values.yaml, by their path in the chart.
	Files map[string]string
	// Values is values.yaml, "{}" if empty.
	Values string
	// AppVersion is that of the application; none if empty.
	AppVersion string
}

// Package returns the chart as helm package makes it.
func (c Chart) Package() ([]byte, error) {
	files := map[string]string{
		c.Name + "/Chart.yaml":  c.metadata(),
		c.Name + "/values.yaml": cmp.Or(c.Values, "{}\n"),
	}
	for name, content := range c.Files {
		files[c.Name+"/"+name] = content
	}
	return Archive(files)
}

// Artifact returns the chart as helm push makes it. Its tag is the version with _
// for every +.
func (c Chart) Artifact() (a Artifact, tag string, err error) {
	layer, err := c.Package()
	config := fmt.Sprintf(`{"apiVersion":"v2","name":%q,"version":%q}`, c.Name, c.Version)
	return Artifact{
		Config: Blob{MediaType: MediaHelmConfig, Content: []byte(config)},
		Layers: []Blob{{MediaType: MediaHelmLayer, Content: layer}},
	}, strings.ReplaceAll(c.Version, "+", "_"), err
}

func (c Chart) metadata() string {
	text := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\ndescription: a chart\ntype: application\n", c.Name, c.Version)
	if c.AppVersion != "" {
		text += "appVersion: " + c.AppVersion + "\n"
	}
	return text
}

// DirectoryOf is the chart as files of a Git repository or a bucket, below dir.
func (c Chart) DirectoryOf(dir string) map[string]string {
	files := map[string]string{
		dir + "/Chart.yaml":  c.metadata(),
		dir + "/values.yaml": cmp.Or(c.Values, "{}\n"),
	}
	for name, content := range c.Files {
		files[dir+"/"+name] = content
	}
	return files
}
