package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/all"
)

// plugins returns the list that the program runs. Nothing of it is called.
func plugins() []reconcilers.Plugin { return all.Plugins(all.Deps{}) }

func TestEveryPluginHasAFolder(t *testing.T) {
	if _, err := reconcilers.NewRegistry(plugins()...); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, p := range plugins() {
		want = append(want, "pkg/reconcilers/"+strings.ToLower(p.Kind().Kind))
	}
	for _, p := range kindFolders(t) {
		got = append(got, p.path)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the plugins of package all and the folders of kinds differ (-list +folders): %s", diff)
	}
}

func TestEveryPluginHasAnAPI(t *testing.T) {
	for _, p := range plugins() {
		if !slices.ContainsFunc(api.Resources(), func(r api.Resource) bool { return r.Kind == p.Kind() }) {
			t.Errorf("%s has a plugin and is not in api.Resources: nothing of it would be watched", p.Kind())
		}
	}
}

func TestEveryKindHasADefinition(t *testing.T) {
	var want, files []string
	for _, r := range api.Resources() {
		want = append(want, r.Name.Group+"_"+r.Name.Resource+".yaml")
	}
	slices.Sort(want)

	var list struct {
		Resources []string `json:"resources"`
	}
	if err := yaml.Unmarshal(read(t, "deploy/crds/kustomization.yaml"), &list); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list.Resources)
	if diff := cmp.Diff(want, list.Resources); diff != "" {
		t.Errorf("api.Resources and deploy/crds/kustomization.yaml differ (-kinds +listed): %s", diff)
	}
	paths, err := filepath.Glob(filepath.Join(root, "deploy/crds/*_*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		files = append(files, filepath.Base(path))
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("api.Resources and the files of deploy/crds differ (-kinds +files): %s", diff)
	}
}

// needed are the rights that the program uses of its own accord, by group and
// resource. What it may apply is for others to say.
func needed() map[string][]string {
	rights := map[string][]string{
		"/secrets":    {"get", "list", "watch"},
		"/configmaps": {"get", "list", "watch"},
		"/events":     {"create", "patch"},
		// Tokens of ServiceAccounts are for those who switch their use on.
		"/serviceaccounts": {"get", "impersonate"},

		"apiextensions.k8s.io/customresourcedefinitions": {"get"},
		// Callers of the API.
		"authentication.k8s.io/tokenreviews":        {"create"},
		"authorization.k8s.io/subjectaccessreviews": {"create"},
	}
	for _, r := range api.Resources() {
		rights[r.Name.Group+"/"+r.Name.Resource] = []string{"get", "list", "patch", "watch"}
		rights[r.Name.Group+"/"+r.Name.Resource+"/status"] = []string{"patch"}
	}
	charts := api.HelmChartGVR.Group + "/" + api.HelmChartGVR.Resource
	rights[charts] = append(rights[charts], "create", "delete")
	return rights
}

func TestRightsSuffice(t *testing.T) {
	var roles []rbacv1.ClusterRole
	for _, document := range bytes.Split(read(t, "deploy/fluxd/rbac.yaml"), []byte("\n---\n")) {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal(document, &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind == "ClusterRole" {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		t.Fatal("deploy/fluxd/rbac.yaml has no ClusterRole")
	}
	rights := needed()
	for _, name := range slices.Sorted(maps.Keys(rights)) {
		group, resource, _ := strings.Cut(name, "/")
		for _, verb := range rights[name] {
			if !slices.ContainsFunc(roles, func(r rbacv1.ClusterRole) bool { return allows(r, group, resource, verb) }) {
				t.Errorf("deploy/fluxd/rbac.yaml does not allow to %s %q of the group %q: the program would be refused", verb, resource, group)
			}
		}
	}
}

func allows(role rbacv1.ClusterRole, group, resource, verb string) bool {
	has := func(list []string, one string) bool { return slices.Contains(list, one) || slices.Contains(list, "*") }
	for _, rule := range role.Rules {
		if len(rule.ResourceNames) == 0 && has(rule.APIGroups, group) && has(rule.Resources, resource) && has(rule.Verbs, verb) {
			return true
		}
	}
	return false
}

var kindRow = regexp.MustCompile(`(?m)^\| (\w+) \| ([\w.]+/\w+) \| (.*) \|$`)

// The README's table of kinds says of each whether it is reconciled.
func TestReadmeListsTheKinds(t *testing.T) {
	want, got := make(map[string]bool), make(map[string]bool)
	for _, r := range api.Resources() {
		want[r.Kind.Kind+" "+r.Kind.GroupVersion().String()] = false
	}
	for _, p := range plugins() {
		want[p.Kind().Kind+" "+p.Kind().GroupVersion().String()] = true
	}
	for _, row := range kindRow.FindAllStringSubmatch(string(read(t, "README.md")), -1) {
		got[row[1]+" "+row[2]] = strings.HasPrefix(row[3], "reconciled")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the kinds, and whether they are reconciled, are not those of the README's table (-code +README): %s", diff)
	}
}

var treeLine = regexp.MustCompile(`(?m)^( *)([a-z/]+)/(?: |$)`)

// The README's tree of folders is how people find their way: it shows every
// kind and every folder of pkg, and none that is not there.
func TestReadmeShowsTheTree(t *testing.T) {
	_, tree, found := strings.Cut(string(read(t, "README.md")), "\n## The tree\n")
	if !found {
		t.Fatal("README.md has no section of that name")
	}
	tree, _, _ = strings.Cut(tree, "\n## ")
	shown := make(map[string]bool)
	var above []string
	for _, line := range treeLine.FindAllStringSubmatch(tree, -1) {
		depth := len(line[1]) / 2
		above = append(above[:min(depth, len(above))], line[2])
		path := strings.Join(above, "/")
		shown[path] = true
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Errorf("README.md shows %s: %v", path, err)
		}
	}
	for _, p := range load(t, "pkg") {
		kind, _ := floorOf(p.path)
		whole := "pkg/" + strings.Split(p.path, "/")[1]
		if !shown[p.path] && (kind == 2 || !shown[whole]) {
			t.Errorf("README.md does not show %s: a reader would not find it", p.path)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
