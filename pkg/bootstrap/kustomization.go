package bootstrap

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kustomizationNames are those that kustomize knows.
var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// firstKustomization is the file where there is none yet.
const firstKustomization = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- gotk-components.yaml
- gotk-sync.yaml
components:
- fluxd
`

// kustomization returns the file that puts the others together: the one that is there,
// with what it lacks.
func (l *layout) kustomization() (name string, content []byte, err error) {
	for _, name := range kustomizationNames {
		old, err := l.read(name)
		if err != nil {
			return "", nil, err
		}
		if old == nil {
			continue
		}
		content, err := complete(old)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", path.Join(l.dir, name), err)
		}
		return name, content, nil
	}
	return kustomizationNames[0], []byte(firstKustomization), nil
}

// complete returns a kustomization that has the files and the component. It stays as
// it is if it has, and is appended to where that suffices.
func complete(old []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(old, &document); err != nil {
		return nil, fmt.Errorf("is not YAML: %w", err)
	}
	if len(document.Content) == 0 {
		return append(slices.Clone(old), firstKustomization...), nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("is not a kustomization")
	}
	resources, components := valueOf(root, "resources"), valueOf(root, "components")
	edited := drop(resources, folderFluxd) // from when it was no component
	for _, file := range []string{fileComponents, fileSync} {
		if !lists(resources, file) {
			resources = add(root, "resources", file)
			edited = true
		}
	}
	switch {
	case lists(components, folderFluxd) && !edited:
		return old, nil
	case components == nil && !edited && root.Style&yaml.FlowStyle == 0:
		return append(terminated(old), "components:\n- "+folderFluxd+"\n"...), nil
	case !lists(components, folderFluxd):
		add(root, "components", folderFluxd)
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// terminated returns a text that ends with its last line.
func terminated(text []byte) []byte {
	text = slices.Clone(text)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return text
}

// valueOf returns the value of a key, nil if there is none.
func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// names says whether an item of a list is a file or a folder beside the list.
func names(item *yaml.Node, name string) bool {
	return strings.TrimSuffix(strings.TrimPrefix(item.Value, "./"), "/") == name
}

func lists(list *yaml.Node, name string) bool {
	return list != nil && slices.ContainsFunc(list.Content, func(item *yaml.Node) bool { return names(item, name) })
}

// drop takes an item off a list and says whether it was there.
func drop(list *yaml.Node, name string) bool {
	if !lists(list, name) {
		return false
	}
	list.Content = slices.DeleteFunc(list.Content, func(item *yaml.Node) bool { return names(item, name) })
	return true
}

// add appends an item to the list of a key, which is made if need be, and returns the
// list.
func add(mapping *yaml.Node, key, item string) *yaml.Node {
	list := valueOf(mapping, key)
	if list == nil {
		list = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, list)
	}
	if list.Kind != yaml.SequenceNode { // an empty value
		*list = yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	if len(list.Content) == 0 {
		list.Style = 0 // [] becomes a list with an item a line
	}
	list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: item})
	return list
}
