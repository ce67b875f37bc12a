package bootstrap

import (
	"bytes"
	"path"
	"reflect"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/api"
)

// Sync says how the cluster reads the repository.
type Sync struct {
	// Namespace is also the name of the GitRepository and the Kustomization.
	Namespace string
	// URL is how the cluster reaches the repository, Secret has the credentials for
	// that; empty means none are needed.
	URL, Secret string
	Branch      string
	// Path is the folder of the cluster.
	Path string
	// Interval is how often the cluster looks for commits.
	Interval string
	// Submodules adds the files of submodules.
	Submodules bool
	// Folders are those that the cluster reads, if not all.
	Folders []string
}

// specPath returns the path as a Kustomization has it.
func (s Sync) specPath() string {
	return "." + path.Clean("/"+s.Path)
}

// objects returns the GitRepository and the Kustomization.
func (s Sync) objects() []map[string]any {
	metadata := map[string]any{"name": s.Namespace, "namespace": s.Namespace}
	source := map[string]any{"interval": s.Interval, "ref": map[string]any{"branch": s.Branch}, "url": s.URL}
	if s.Secret != "" {
		source["secretRef"] = map[string]any{"name": s.Secret}
	}
	if s.Submodules {
		source["recurseSubmodules"] = true
	}
	if len(s.Folders) > 0 {
		folders := make([]any, len(s.Folders))
		for i, folder := range s.Folders {
			folders[i] = folder
		}
		source["sparseCheckout"] = folders
	}
	return []map[string]any{
		{"apiVersion": api.SourceV1.String(), "kind": api.GitRepositoryKind, "metadata": metadata, "spec": source},
		{"apiVersion": api.KustomizeV1.String(), "kind": api.KustomizationKind, "metadata": metadata, "spec": map[string]any{
			"interval": "10m0s", "path": s.specPath(), "prune": true,
			"sourceRef": map[string]any{"kind": api.GitRepositoryKind, "name": s.Namespace},
		}},
	}
}

// syncs adds the manifest of both. One that says the same is left as it is, whoever
// wrote it.
func (l *layout) syncs(files map[string][]byte) error {
	wanted := l.sync.objects()
	old, err := l.read(fileSync)
	if err != nil {
		return err
	}
	if says(old, wanted) {
		files[fileSync] = old
		return nil
	}
	out := []byte(generated)
	for _, obj := range wanted {
		document, err := yaml.Marshal(obj)
		if err != nil {
			return err
		}
		out = append(append(out, "---\n"...), document...)
	}
	files[fileSync] = out
	return nil
}

// says whether a manifest is these objects.
func says(manifest []byte, objects []map[string]any) bool {
	var found []map[string]any
	for _, document := range bytes.Split(manifest, []byte("\n---")) {
		var obj map[string]any
		if err := yaml.Unmarshal(bytes.TrimPrefix(document, []byte("---")), &obj); err != nil {
			return false
		}
		if len(obj) > 0 {
			found = append(found, obj)
		}
	}
	return reflect.DeepEqual(found, objects)
}
