package bootstrap

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/install"
)

// misses refuses a kustomization with a patch for the Deployment of a Flux controller
// that is not there. kustomize leaves out, without a word, what a patch selects nothing
// of; and repositories lock tenants down by such patches.
func (b *branch) misses(dir string, changes map[string][]byte, objects install.Objects) error {
	for _, name := range kustomizationNames {
		content, changed := changes[path.Join(dir, name)]
		if !changed {
			var err error
			if content, err = b.File(path.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				return err
			}
		}
		return missing(content, objects)
	}
	return nil
}

// missing tells of the patches in a kustomization that are for Deployments of Flux
// controllers whose kinds fluxd serves, and of which objects have none.
func missing(kustomization []byte, objects install.Objects) error {
	var k struct {
		Patches []struct {
			Target struct{ Kind, Name string }
			Patch  string
		}
	}
	if err := yaml.Unmarshal(kustomization, &k); err != nil {
		return err
	}
	var there []string
	for _, obj := range objects.Of("Deployment") {
		there = append(there, obj.GetName())
	}
	var bad []string
	for _, patch := range k.Patches {
		kind, name := patch.Target.Kind, patch.Target.Name
		if kind == "" && name == "" {
			kind, name = subject(patch.Patch)
		}
		pattern, err := regexp.Compile("^(?:" + name + ")$") // as kustomize does
		if name == "" || kind != "" && kind != "Deployment" || err != nil {
			continue
		}
		if slices.ContainsFunc(install.Served(), pattern.MatchString) && !slices.ContainsFunc(there, pattern.MatchString) {
			bad = append(bad, name)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("it has patches for Deployments that are not there, and which would do nothing: %s; say it of the Deployment fluxd instead, or add these with --profile=aliases", strings.Join(bad, ", "))
}

// subject returns what a strategic merge patch is for.
func subject(patch string) (kind, name string) {
	var obj struct {
		Kind     string
		Metadata struct{ Name string }
	}
	if yaml.Unmarshal([]byte(patch), &obj) != nil {
		return "", "" // kustomize told what is wrong with it, if anything
	}
	return obj.Kind, obj.Metadata.Name
}
