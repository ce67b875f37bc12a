package apply

import (
	"fmt"
	"regexp"

	"github.com/fluxd/fluxd/pkg/api"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// ignoreRules are the compiled rules of spec.ignore of one owner. All rules that
// match an object count.
type ignoreRules struct {
	rules []ignoreRule
	// digest tells two sets of rules apart.
	digest uint64
}

type ignoreRule struct {
	paths  []string
	target *selector
}

// selector is a compiled [api.Selector].
type selector struct {
	group, version, kind, namespace, name *regexp.Regexp
	labels, annotations                   labels.Selector
}

// compileIgnore compiles rules. A pattern or selector that does not parse is an
// error.
func compileIgnore(rules []api.IgnoreRule, h hasher) (*ignoreRules, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	c := &ignoreRules{}
	for i, r := range rules {
		rule := ignoreRule{paths: r.Paths}
		c.digest = mix(c.digest, uint64(i))
		for _, p := range r.Paths {
			c.digest = mix(c.digest, h.text(p))
		}
		if r.Target != nil {
			target, err := compileSelector(*r.Target)
			if err != nil {
				return nil, fmt.Errorf("failed to create ignore rule selector: %w", err)
			}
			rule.target = target
			c.digest = mix(c.digest, h.text(fmt.Sprintf("%q", *r.Target)))
		}
		c.rules = append(c.rules, rule)
	}
	return c, nil
}

func compileSelector(s api.Selector) (*selector, error) {
	c := &selector{}
	for _, p := range []struct {
		pattern string
		to      **regexp.Regexp
	}{
		{s.Group, &c.group}, {s.Version, &c.version}, {s.Kind, &c.kind},
		{s.Namespace, &c.namespace}, {s.Name, &c.name},
	} {
		if p.pattern == "" {
			continue
		}
		re, err := regexp.Compile("^(?:" + p.pattern + ")$")
		if err != nil {
			return nil, err
		}
		*p.to = re
	}
	var err error
	if c.labels, err = labels.Parse(s.LabelSelector); err != nil {
		return nil, err
	}
	c.annotations, err = labels.Parse(s.AnnotationSelector)
	return c, err
}

func (s *selector) matches(obj *unstructured.Unstructured) bool {
	gvk := obj.GroupVersionKind()
	return matches(s.group, gvk.Group) && matches(s.version, gvk.Version) && matches(s.kind, gvk.Kind) &&
		matches(s.namespace, obj.GetNamespace()) && matches(s.name, obj.GetName()) &&
		s.labels.Matches(labels.Set(obj.GetLabels())) &&
		s.annotations.Matches(labels.Set(obj.GetAnnotations()))
}

func matches(re *regexp.Regexp, s string) bool { return re == nil || re.MatchString(s) }

// pointers returns the fields of obj whose drift is left alone, nil if there are
// none.
func (c *ignoreRules) pointers(obj *unstructured.Unstructured) *pointers {
	if c == nil {
		return nil
	}
	var p *pointers
	for _, r := range c.rules {
		if r.target != nil && !r.target.matches(obj) {
			continue
		}
		for _, path := range r.paths {
			if p == nil {
				p = &pointers{}
			}
			p.add(path)
		}
	}
	return p
}

// sum returns the digest of the rules, 0 for none.
func (c *ignoreRules) sum() uint64 {
	if c == nil {
		return 0
	}
	return c.digest
}
