package kustomize

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// yields says whether a kustomization file names anything that objects come from, if
// only an empty list of them.
func yields(k *types.Kustomization) bool {
	//lint:ignore SA1019 a file may still say bases
	bases := k.Bases != nil
	return bases || k.Resources != nil || k.Components != nil || k.Generators != nil ||
		k.ConfigMapGenerator != nil || k.SecretGenerator != nil || k.HelmCharts != nil || k.HelmChartInflationGenerator != nil
}

// refuseEmpty refuses a kustomization file that says nothing, or nothing that yields
// objects beside fields that nobody knows: a typo must not look like the wish to have
// no objects, which deletes those there are. Who wants none writes resources: [].
func refuseEmpty(name string, content []byte, k *types.Kustomization) error {
	if yields(k) {
		return nil
	}
	if unknown := unknownFields(content); len(unknown) > 0 {
		return fmt.Errorf("%w: %s has no resources, and fields that are not known: %s", ErrEmpty, shown(name), strings.Join(unknown, ", "))
	}
	if k.CheckEmpty() != nil {
		return fmt.Errorf("%w: %s", ErrEmpty, shown(name))
	}
	return nil
}

// refuseBlank refuses a folder without a kustomization file whose manifests say nothing:
// what somebody has put into comments must not look like the wish to have no objects.
// Who wants none deletes the files.
func refuseBlank(v *view, manifests []string) error {
	var blank []string
	for _, p := range manifests {
		content, err := v.raw(p)
		if err != nil || !isBlank(content) {
			return err
		}
		blank = append(blank, shown(p))
	}
	if len(blank) == 0 {
		return nil
	}
	text := strings.Join(blank[:min(len(blank), mostUnknown)], ", ")
	return fmt.Errorf("%w: there is nothing but comments in %s; to have no objects, delete what is blank", ErrBlank, text)
}

// isBlank says whether YAML has nothing but comments and ends of documents.
func isBlank(content []byte) bool {
	for line := range bytes.Lines(content) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.HasPrefix(line, []byte("---")) && !bytes.Equal(line, []byte("...")) {
			return false
		}
	}
	return true
}

// mostUnknown and longestName bound what an error tells of a file.
const (
	mostUnknown = 5
	longestName = 64
)

// unknownFields returns the fields of a kustomization file that kustomize does not
// have, sorted and quoted.
func unknownFields(content []byte) []string {
	var fields map[string]any
	if yaml.Unmarshal(content, &fields) != nil {
		return nil
	}
	known := knownFields()
	var unknown []string
	for name := range fields {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			unknown = append(unknown, fmt.Sprintf("%q", name[:min(len(name), longestName)]))
		}
	}
	slices.Sort(unknown)
	return unknown[:min(len(unknown), mostUnknown)]
}

// knownFields returns the names of all fields of a kustomization file.
func knownFields() []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[types.Kustomization]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}
