package kustomization

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/fault"
)

// reasonInvalidDependency is the reason of an annotation that cannot be read.
const reasonInvalidDependency = "InvalidDependency"

// mostDependencies is how many objects the annotation may list: each may cost a watch.
const mostDependencies = 16

// longestDependency is the longest kind, group, namespace and name together.
const longestDependency = 63 + 253 + 63 + 253 + 3

var (
	errDependencyForm = errors.New("it is not Kind.group/namespace/name, or Kind.group/name in the same namespace or in none")
	errDependsOnSelf  = errors.New("it is the object itself")
)

// needed is an object of any kind that has to be ready first.
type needed struct {
	// text is how the annotation has it.
	text  string
	entry apply.Entry
}

// parseNeeded reads one dependency. In a kind without namespaces that of the object,
// which is assumed, makes no difference.
func parseNeeded(text, namespace string) (needed, error) {
	n := needed{text: text}
	parts := strings.Split(text, "/")
	if len(text) > longestDependency || len(parts) < 2 || len(parts) > 3 {
		return n, errDependencyForm
	}
	n.entry.Kind, n.entry.Group, _ = strings.Cut(parts[0], ".")
	n.entry.Namespace, n.entry.Name = namespace, parts[len(parts)-1]
	if len(parts) == 3 {
		n.entry.Namespace = parts[1]
	}
	if n.entry.Kind == "" || n.entry.Namespace == "" || n.entry.Name == "" || strings.HasSuffix(parts[0], ".") {
		return n, errDependencyForm
	}
	return n, nil
}

// needed reads the annotation that lists objects of any kind.
func (p *pass) needed() ([]needed, error) {
	refuse := func(err error) error {
		return fault.Stalled(reasonInvalidDependency, fmt.Errorf("metadata.annotations[%s]: %w", api.AnnotationDependsOn, err))
	}
	texts := strings.FieldsFunc(p.obj.Annotations[api.AnnotationDependsOn], func(r rune) bool {
		return strings.ContainsRune(", \t\r\n", r)
	})
	if len(texts) > mostDependencies {
		return nil, refuse(fmt.Errorf("%d objects are more than %d", len(texts), mostDependencies))
	}
	all := make([]needed, 0, len(texts))
	for _, text := range texts {
		n, err := parseNeeded(text, p.obj.Namespace)
		if err == nil && p.isSelf(n.entry) {
			err = errDependsOnSelf
		}
		if err != nil {
			return nil, refuse(fmt.Errorf("%.100q: %w", text, err))
		}
		if p.options.NoCrossNamespaceRefs && n.entry.Namespace != p.obj.Namespace {
			return nil, fault.Stalled(api.ReasonAccessDenied, fmt.Errorf("can't access '%s', cross-namespace references have been blocked", n.entry))
		}
		all = append(all, n)
	}
	return all, nil
}

// dependsOnObjects waits for the first object of the annotation that is not ready. Without any,
// what was watched for them is let go.
func (p *pass) dependsOnObjects(ctx context.Context) error {
	all, err := p.needed()
	if err != nil {
		return err
	}
	entries := make(apply.Inventory, len(all))
	for i, n := range all {
		entries[i] = n.entry
	}
	report, err := p.applier.Ready(ctx, p.owner(), entries)
	if err != nil {
		return err
	}
	for _, n := range all {
		for _, f := range report.Findings {
			if f.Entry == n.entry {
				return &fault.WaitingError{Reason: api.ReasonDependencyNotReady, Err: n.missing(f), After: p.recheck(report)}
			}
		}
	}
	return nil
}

// recheck is how long to wait without being woken.
func (p *pass) recheck(r apply.Report) time.Duration {
	if r.Recheck > 0 {
		return min(r.Recheck, p.options.RequeueDependency)
	}
	return p.options.RequeueDependency
}

// missing says what is the matter with a dependency.
func (n needed) missing(f apply.Finding) error {
	switch {
	case meta.IsNoMatchError(f.Err):
		return fmt.Errorf("dependency '%s' not found: its kind is not served", n.text)
	case f.Err != nil:
		return fmt.Errorf("dependency '%s' cannot be judged: %w", n.text, f.Err)
	case f.Status == status.NotFoundStatus:
		return fmt.Errorf("dependency '%s' not found", n.text)
	}
	return fmt.Errorf("dependency '%s' is not ready: %s", n.text, f.Status)
}
