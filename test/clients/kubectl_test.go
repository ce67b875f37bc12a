package clients

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness/world"
)

// columns are those that kubectl get prints for a kind.
var columns = map[string][]string{
	"gitrepositories":   {"NAME", "URL", "AGE", "READY", "STATUS"},
	"ocirepositories":   {"NAME", "URL", "READY", "STATUS", "AGE"},
	"buckets":           {"NAME", "ENDPOINT", "AGE", "READY", "STATUS"},
	"helmrepositories":  {"NAME", "URL", "AGE", "READY", "STATUS"},
	"helmcharts":        {"NAME", "CHART", "VERSION", "SOURCE KIND", "SOURCE NAME", "AGE", "READY", "STATUS"},
	"externalartifacts": {"NAME", "AGE", "READY", "STATUS", "SOURCE"},
	"kustomizations":    {"NAME", "AGE", "READY", "STATUS"},
	"helmreleases":      {"NAME", "AGE", "READY", "STATUS"},
}

// One object of every kind of source, with a Kustomization: waited for, listed, listed
// by category, and told of.
func TestKubectl(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.everything()

	for _, name := range everyObject {
		kind, object, _ := strings.Cut(name, "/")
		table := w.Kubectl("get", kind, "--show-labels=false")
		says(t, table, object, "True")
	}
	says(t, w.Kubectl("get", "fluxcd-sources"), "bucket.source.toolkit.fluxcd.io/bucket", "gitrepository.source.toolkit.fluxcd.io/git",
		"helmchart.source.toolkit.fluxcd.io/chart", "helmrepository.source.toolkit.fluxcd.io/charts", "ocirepository.source.toolkit.fluxcd.io/oci")
	appliers := w.Kubectl("get", "fluxcd-appliers")
	says(t, appliers, "kustomization.kustomize.toolkit.fluxcd.io/app", "True", "Applied revision: main@sha1:")
	lacks(t, appliers, "gitrepository")
	all := w.Kubectl("get", "fluxcd")
	says(t, all, "kustomization.kustomize.toolkit.fluxcd.io/app")
	says(t, all, "gitrepository.source.toolkit.fluxcd.io/git")
	says(t, w.Kubectl("get", "all"), "gitrepository.source.toolkit.fluxcd.io/git")
	for short, long := range map[string]string{"gitrepo": "gitrepositories", "ocirepo": "ocirepositories", "helmrepo": "helmrepositories", "hc": "helmcharts", "ks": "kustomizations", "hr": "helmreleases"} {
		world.Equal(t, short, w.Kubectl("get", long, "-o", "name"), w.Kubectl("get", short, "-o", "name"))
	}
	for _, name := range everyObject {
		kind, object, _ := strings.Cut(name, "/")
		if kind != "helmchart" {
			says(t, w.Kubectl("describe", name), "Name:         "+object, "Status:  ", "Type:                  Ready", "Events:", "Normal")
		}
	}
	says(t, w.Kubectl("events", "--for", "bucket/bucket"), "NewArtifact", "Bucket/bucket")
}

// Every kind has the columns of Flux, even before anybody has looked at an object.
func TestColumns(t *testing.T) {
	for _, r := range api.Resources() {
		want, known := columns[r.Name.Resource]
		if !known {
			t.Errorf("%s: it is not known which columns it should have", r.Name.Resource)
			continue
		}
		out, err := shared.Cluster.Kubectl(t.Context(), "get", r.Name.Resource+"."+r.Name.Group, "-n", "default")
		if err != nil {
			t.Fatal(err, out)
		}
		path := "/apis/" + r.Name.Group + "/" + r.Name.Version + "/namespaces/default/" + r.Name.Resource
		got := tableColumns(t, path)
		world.Equal(t, "columns of "+r.Name.Resource, want, got)
	}
}

// Every field of every kind is explained.
func TestExplain(t *testing.T) {
	w := newWorld(t, nil)
	for _, r := range api.Resources() {
		version := "--api-version=" + r.Kind.GroupVersion().String()
		for _, part := range []string{"spec", "status"} {
			out := w.Kubectl("explain", r.Name.Resource+"."+part, version)
			says(t, out, "KIND:       "+r.Kind.Kind, "FIELD: "+part, "DESCRIPTION:", "FIELDS:")
			lacks(t, out, "<empty>", "<no description>")
		}
	}
	says(t, w.Kubectl("explain", "kustomization.spec.sourceRef.kind"), "FIELD: kind <string>", "ENUM:", "GitRepository", "DESCRIPTION:")
}
