package preview

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/forecast"
)

var (
	oldRevision = "main@sha1:" + strings.Repeat("a", 40)
	newRevision = "main@sha1:" + strings.Repeat("b", 40)
)

const fromCluster = ", variables from the cluster after the cluster"

func names(r *Report) []string {
	var all []string
	for _, o := range r.Results {
		all = append(all, strings.TrimSuffix(o.Name+": "+o.Error, ": "))
	}
	return all
}

// What the source would fetch now is looked at, after what is applied.
func TestNewest(t *testing.T) {
	c := newCluster(t)
	report := c.must(Request{})
	equal(t, "asked", []string{
		"fetch repo " + newRevision, "fetch repo " + oldRevision, // as recorded, which is not what it was
		"fetch repo " + oldRevision, "look at app " + newRevision + " after " + oldRevision + fromCluster,
	}, c.asked)
	equal(t, "revision", newRevision, report.Results[0].Revision)
	equal(t, "freed", 1, c.freed)
}

func TestRevisionsAndBranches(t *testing.T) {
	c := newCluster(t)
	for _, r := range []Request{{Branch: "next"}, {Revision: "v1"}, {Revision: oldRevision}} {
		c.must(r)
	}
	c.refused["nowhere@sha1:"] = errors.New("no such branch")
	report := c.must(Request{Branch: "nowhere"})
	equal(t, "results", []string{"app: GitRepository 'apps/repo': no such branch"}, names(report))
	c.refused[oldRevision] = errors.New("it is gone")
	c.must(Request{})
	equal(t, "without what is applied", "look at app "+newRevision+fromCluster, c.asked[len(c.asked)-1])
}

// A suspended source stays where it is.
func TestSuspendedSource(t *testing.T) {
	c := newCluster(t)
	r := c.repository("repo", oldRevision)
	r.Spec.Suspend = true
	report := c.must(Request{})
	equal(t, "results", []string{"app: GitRepository 'apps/repo': it cannot be restored"}, names(report))
	equal(t, "asked", []string{"fetch repo " + oldRevision}, c.asked)
}

func TestUnknownAndBadRequests(t *testing.T) {
	c := newCluster(t)
	folder := &Folder{Name: "x"}
	for name, tt := range map[string]struct {
		request Request
		want    error
	}{
		"nobody":                {Request{Name: "nobody"}, ErrUnknown},
		"a folder and a branch": {Request{Folder: folder, Branch: "main"}, ErrRequest},
		"denied":                {Request{Policy: policy{owner: ErrDenied}}, ErrDenied},
		"a denied revision":     {Request{Branch: "next", Policy: policy{content: ErrDenied}}, ErrDenied},
	} {
		if _, err := c.run(tt.request); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	if _, err := c.previews().Run(t.Context(), Request{Kind: schema.GroupKind{Kind: "Pod"}, Namespace: "apps", Name: "x"}); !errors.Is(err, ErrRequest) {
		t.Errorf("another kind: %v", err)
	}
	delete(c.objects, "GitRepository/apps/repo")
	equal(t, "without the source", []string{"app: GitRepository 'apps/repo' not found"}, names(c.must(Request{})))
}

// Everything reachable is looked at once, as it would be, with what would be there.
func TestRecursion(t *testing.T) {
	c := newCluster(t)
	c.kustomization("child", "repo", oldRevision)
	spec := map[string]any{"spec": map[string]any{"sourceRef": map[string]any{"kind": "GitRepository", "name": "other"}}}
	c.applies["app"] = []forecast.Object{
		made(forecast.Created, "GitRepository", "other", map[string]any{"spec": map[string]any{"ref": map[string]any{"branch": "mine"}}}),
		made(forecast.Configured, "ConfigMap", "vars", map[string]any{"data": map[string]any{"from": "the preview"}}),
		made(forecast.Configured, "Kustomization", "child", spec),
		made(forecast.Deleted, "Kustomization", "gone", nil),
		made(forecast.Failed, "Kustomization", "refused", nil),
	}
	c.applies["child"] = []forecast.Object{made(forecast.Unchanged, "Kustomization", "app", spec)} // in a circle
	equal(t, "alone", []string{"app"}, names(c.must(Request{})))
	report := c.must(Request{Branch: "next", Recursive: true})
	equal(t, "results", []string{"app", "child", "gone"}, names(report))
	const variables = ", variables from the preview after the cluster"
	equal(t, "the last questions", []string{"fetch other mine@sha1:", "look at child mine@sha1:" + variables, "end of gone"}, c.asked[len(c.asked)-3:])
	for _, o := range report.Results {
		for _, obj := range o.Objects {
			if obj.Result != nil {
				t.Errorf("the report has %s whole", obj)
			}
		}
	}
}

// Objects on another cluster are not ours.
func TestRecursionStaysInTheCluster(t *testing.T) {
	c := newCluster(t)
	k := c.kustomization("app", "repo", "")
	k.Spec.KubeConfig = &api.KubeConfigReference{}
	c.applies["app"] = []forecast.Object{made(forecast.Created, "Kustomization", "child", nil)}
	equal(t, "results", []string{"app"}, names(c.must(Request{Recursive: true})))
}

func TestLimits(t *testing.T) {
	c := newCluster(t)
	for i := range 5 {
		c.kustomization(fmt.Sprint("k", i), "repo", "")
		c.applies["app"] = append(c.applies["app"], made(forecast.Unchanged, "Kustomization", fmt.Sprint("k", i), map[string]any{"spec": map[string]any{"sourceRef": map[string]any{"name": "repo"}}}))
	}
	report := c.must(Request{Recursive: true}, func(cfg *Config) { cfg.Owners = 3 })
	equal(t, "results", 3, len(report.Results))
	equal(t, "truncated", "only the first 3 objects that apply others are looked into", report.Truncated)
	report = c.must(Request{Recursive: true}, func(cfg *Config) { cfg.Objects = 5 })
	equal(t, "truncated", "more than 5 objects are told of, and the rest is not looked into", report.Truncated)
}

// What a caller may not know is gone from the report.
func TestWithheld(t *testing.T) {
	c := newCluster(t)
	c.kustomization("child", "repo", "")
	shown := forecast.Object{Kind: "ConfigMap", Name: "shown", Action: forecast.Configured, Change: []forecast.Field{{Path: "a", Old: "1", New: "2"}}}
	hidden := forecast.Object{Kind: "Secret", Name: "hidden", Action: forecast.Failed, Message: "because of 1", Drift: []forecast.Field{{Path: "a"}}, Notes: []string{"1"}}
	c.applies["app"] = []forecast.Object{shown, hidden, made(forecast.Unchanged, "Kustomization", "child", nil)}
	report := c.must(Request{Recursive: true, Policy: policy{hidden: "hidden", child: ErrDenied}})
	equal(t, "results", []string{"app", "child: forbidden"}, names(report))
	hidden.Message, hidden.Drift, hidden.Notes, hidden.Withheld = "", nil, nil, true
	equal(t, "objects", []forecast.Object{shown, hidden}, report.Results[0].Objects[:2])
}
