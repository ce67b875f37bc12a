package helm

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"helm.sh/helm/v3/pkg/release"
	"sigs.k8s.io/yaml"
)

// manifest is one document that is no hook.
type manifest struct {
	path, text, kind string
}

// head is what decides where a document belongs.
type head struct {
	Version  string `json:"apiVersion"`
	Kind     string `json:"kind,omitempty"`
	Metadata *struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata,omitempty"`
}

// sorted are the documents that templates yield, in the order of their kinds.
type sorted struct {
	hooks     []*Hook
	manifests []manifest
}

// split tells hooks from manifests and brings both into order. A document with a hook
// that Helm does not have is neither; warn is told.
func split(files rendered, warn func(string, ...any)) (sorted, error) {
	var s sorted
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		for _, document := range documents(files[name]) {
			if err := s.add(name, document, warn); err != nil {
				return sorted{}, err
			}
		}
	}
	slices.SortStableFunc(s.hooks, func(a, b *Hook) int { return installOrder.compare(a.Kind, b.Kind) })
	slices.SortStableFunc(s.manifests, func(a, b manifest) int { return installOrder.compare(a.kind, b.kind) })
	return s, nil
}

// separator is what stands between documents. It need not be alone on its line, which
// many charts make use of without meaning to.
var separator = regexp.MustCompile(`(?:^|\s*\n)---\s*`)

// documents returns the documents of a file that have anything in them. Space at their
// end is part of them.
func documents(file string) []string {
	var out []string
	for _, d := range separator.Split(strings.TrimLeftFunc(file, unicode.IsSpace), -1) {
		if d = strings.TrimLeftFunc(d, unicode.IsSpace); d != "" {
			out = append(out, d)
		}
	}
	return out
}

// add puts one document where it belongs.
func (s *sorted) add(name, document string, warn func(string, ...any)) error {
	var h head
	if err := yaml.Unmarshal([]byte(document), &h); err != nil {
		return &told{ErrManifest, fmt.Sprintf("YAML parse error on %s: %s", name, clip(err.Error()))}
	}
	if h.Metadata == nil {
		s.manifests = append(s.manifests, manifest{name, document, h.Kind})
		return nil
	}
	annotations := h.Metadata.Annotations
	hooks, ok := annotations[release.HookAnnotation]
	if !ok {
		s.manifests = append(s.manifests, manifest{name, document, h.Kind})
		return nil
	}
	events, ok := eventsOf(hooks)
	if !ok {
		warn("%s: skipping unknown hook: %q", name, hooks)
		return nil
	}
	weight, err := strconv.Atoi(annotations[release.HookWeightAnnotation])
	if err != nil {
		weight = 0
	}
	s.hooks = append(s.hooks, &Hook{
		Name: h.Metadata.Name, Kind: h.Kind, Path: name, Manifest: document, Events: events, Weight: weight,
		DeletePolicies:    listOf[release.HookDeletePolicy](annotations, release.HookDeleteAnnotation),
		OutputLogPolicies: listOf[release.HookOutputLogPolicy](annotations, release.HookOutputLogAnnotation),
	})
	return nil
}

// eventsOf returns the events of an annotation, and false if one of them is none.
func eventsOf(annotation string) ([]release.HookEvent, bool) {
	events := []release.HookEvent{}
	for name := range strings.SplitSeq(annotation, ",") {
		event := release.HookEvent(strings.ToLower(strings.TrimSpace(name)))
		if event == "test-success" { // of the second version of Helm
			event = release.HookTest
		}
		if !slices.Contains(hookEvents, event) {
			return nil, false
		}
		events = append(events, event)
	}
	return events, true
}

var hookEvents = []release.HookEvent{
	release.HookPreInstall, release.HookPostInstall, release.HookPreDelete, release.HookPostDelete,
	release.HookPreUpgrade, release.HookPostUpgrade, release.HookPreRollback, release.HookPostRollback, release.HookTest,
}

// listOf returns the words of an annotation, empty if there is none.
func listOf[T ~string](annotations map[string]string, name string) []T {
	list := []T{}
	text, ok := annotations[name]
	if !ok {
		return list
	}
	for word := range strings.SplitSeq(text, ",") {
		list = append(list, T(strings.ToLower(strings.TrimSpace(word))))
	}
	return list
}

// stream returns the manifests as one text, each behind the name of its template.
func (s *sorted) stream() string {
	n := 0
	for _, m := range s.manifests {
		n += len(m.path) + len(m.text) + len("---\n# Source: \n\n")
	}
	var out strings.Builder
	out.Grow(n)
	for _, m := range s.manifests {
		out.WriteString("---\n# Source: ")
		out.WriteString(m.path)
		out.WriteByte('\n')
		out.WriteString(m.text)
		out.WriteByte('\n')
	}
	return out.String()
}

// kindOrder is the order of kinds in which objects are applied. Others follow, by name.
type kindOrder map[string]int

var installOrder = func() kindOrder {
	order := make(kindOrder)
	for kind := range strings.FieldsSeq(`PriorityClass Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget
		ServiceAccount Secret SecretList ConfigMap StorageClass PersistentVolume PersistentVolumeClaim CustomResourceDefinition
		ClusterRole ClusterRoleList ClusterRoleBinding ClusterRoleBindingList Role RoleList RoleBinding RoleBindingList Service
		DaemonSet Pod ReplicationController ReplicaSet Deployment HorizontalPodAutoscaler StatefulSet Job CronJob IngressClass Ingress
		APIService MutatingWebhookConfiguration ValidatingWebhookConfiguration`) {
		order[kind] = len(order) + 1
	}
	return order
}()

func (o kindOrder) compare(a, b string) int {
	first, second := o[a], o[b]
	switch {
	case first == 0 && second == 0:
		return strings.Compare(a, b)
	case first == 0:
		return 1
	case second == 0:
		return -1
	}
	return first - second
}
