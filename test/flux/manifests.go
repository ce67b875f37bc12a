package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// releases are addresses of what a controller publishes with a release: its name, its
// version, and which of the two parts it is.
var releases = regexp.MustCompile(`https://github\.com/fluxcd/([a-z-]+)/releases/download/(v[0-9.]+)/[a-z-]+\.(crds|deployment)\.yaml`)

// folders are where in its module a controller has the parts of a release.
var folders = map[string]string{"crds": "config/crd", "deployment": "config/manager"}

// sums are the checksums of the modules of the controllers, as in a go.sum. They are
// not in that of this module: nothing of them is compiled, and what they require would
// change what the command line is compiled from. Not every proxy has all of them in its
// database of checksums, so it is not asked.
var sums = map[string]string{
	"github.com/fluxcd/helm-controller@v1.6.3":             "h1:MSiDP/s8xRSkO3g11vBiDStxfmJ5ZVdwDEpW7BSE/UA=",
	"github.com/fluxcd/image-automation-controller@v1.2.4": "h1:uYtQq2kUb02q6fJE6zT/NdAPLTPLZUOIVp+JGFslW+M=",
	"github.com/fluxcd/image-reflector-controller@v1.2.4":  "h1:pBC8XOgLXt3VaTzp9k2fYpuR3FFEnZRZBkuSfnGxPhM=",
	"github.com/fluxcd/kustomize-controller@v1.9.4":        "h1:VBnBMhnemqnE5Zca2AoG2gC4472MoiTmk9rdqvLoMcY=",
	"github.com/fluxcd/notification-controller@v1.9.3":     "h1:vBONN/Lx5aQ2nDnJxYp5Sb0Wsgh13UbuP5A1MK4dmkY=",
	"github.com/fluxcd/source-controller@v1.9.4":           "h1:psO6g4NTAMl3GD9gL8TMF3shM939XhTjFvlQXCK3pZ4=",
	"github.com/fluxcd/source-watcher/v2@v2.2.3":           "h1:50kpO1U+7tj9s+n6onf59vTpsiOC6y20SELNqa3w170=",
}

// manifests generates the folder that the command line embeds: a file for each of the
// folders of manifests/bases, and two more.
func manifests(dir string) error {
	out := filepath.Join(dir, "cmd", "flux", "manifests")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	bases, err := filepath.Glob(filepath.Join(dir, "manifests", "bases", "*", "kustomization.yaml"))
	if err != nil || len(bases) == 0 {
		return fmt.Errorf("find what to generate: %d folders: %w", len(bases), err)
	}
	sources := []string{filepath.Join(dir, "manifests", "rbac"), filepath.Join(dir, "manifests", "policies")}
	for _, base := range bases {
		if err := localise(base); err != nil {
			return err
		}
		sources = append(sources, filepath.Dir(base))
	}
	for _, source := range sources {
		text, err := kustomize(source)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, filepath.Base(source)+".yaml"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// localise puts files in the place of the releases that a kustomization names.
func localise(kustomization string) error {
	text, err := os.ReadFile(kustomization)
	if err != nil {
		return err
	}
	for _, found := range releases.FindAllSubmatch(text, -1) {
		name, version, part := string(found[1]), string(found[2]), string(found[3])
		content, err := publish(name, version, folders[part])
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(kustomization), part+".yaml"), content, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(kustomization, releases.ReplaceAll(text, []byte("$3.yaml")), 0o644)
}

// publish builds a folder of the module of a controller. That is v2 of one whose major
// version says so.
func publish(name, version, folder string) ([]byte, error) {
	path := "github.com/fluxcd/" + name
	if major := regexp.MustCompile(`^v([0-9]+)\.`).FindStringSubmatch(version); major[1] != "0" && major[1] != "1" {
		path += "/v" + major[1]
	}
	m, err := download(path+"@"+version, "GONOSUMDB=github.com/fluxcd")
	if err != nil {
		return nil, err
	}
	if want := sums[path+"@"+version]; m.Sum != want {
		return nil, fmt.Errorf("the checksum of %s@%s is %s, which is not the one that is known: %q", path, version, m.Sum, want)
	}
	return kustomize(filepath.Join(m.Dir, filepath.FromSlash(folder)))
}

func kustomize(dir string) ([]byte, error) {
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy // as the program kustomize does
	options.LoadRestrictions = types.LoadRestrictionsNone
	made, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	return made.AsYaml()
}
