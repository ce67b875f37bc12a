package tenants

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/test/harness"
)

// harmless are the fields that hold text and lead nowhere, and why. A kind may be *, and
// a path may end in *, which stands for all that is below it.
var harmless = map[string]string{
	"* status.conditions[].*":            "written by fluxd, and read for what it has written",
	"* status.lastHandledReconcileAt":    "compared with an annotation",
	"* status.lastHandledForceAt":        "compared with an annotation",
	"* status.lastHandledResetAt":        "compared with an annotation",
	"* spec.commonMetadata.*":            "labels and annotations of what is applied; see labels of another owner",
	"* spec.healthCheckExprs[].*":        "kinds, and expressions over objects that were read with the rights of the account",
	"* spec.dependsOn[].name":            "with the namespace, which is attacked",
	"* spec.ignore":                      "patterns of files that are left out",
	"* spec.region":                      "a word in a signature",
	"* spec.ref.*":                       "what is looked up at the remote that spec.url names",
	"* spec.version":                     "a range of versions",
	"* status.observedIgnore":            "compared with the spec",
	"* status.url":                       "written, and not read",
	"* spec.sourceRef.apiVersion":        "accepted and ignored",
	"* spec.chartRef.apiVersion":         "accepted and ignored",
	"* spec.verify.matchOIDCIdentity[]*": "patterns that a certificate has to match",

	"Kustomization spec.ignore[].*":                                 "fields of its own objects that are left alone",
	"Kustomization spec.images[].*":                                 "names of images in its own manifests",
	"Kustomization spec.namePrefix":                                 "a part of names of its own manifests",
	"Kustomization spec.nameSuffix":                                 "a part of names of its own manifests",
	"Kustomization spec.patches[].target.*":                         "what of its own manifests is patched; the patch is attacked",
	"Kustomization spec.healthChecks[].apiVersion":                  "with the namespace, which is attacked",
	"Kustomization spec.healthChecks[].kind":                        "with the namespace, which is attacked",
	"Kustomization spec.healthChecks[].name":                        "with the namespace, which is attacked",
	"Kustomization status.history[].*":                              "for people",
	"Kustomization status.inventory.entries[].v":                    "with the id, which is attacked",
	"Kustomization status.lastAppliedRevision":                      "compared with that of a dependent",
	"Kustomization status.lastAppliedOriginRevision":                "for people",
	"Kustomization status.lastAttemptedRevision":                    "compared",
	"HelmRelease spec.chart.metadata.*":                             "labels and annotations of its own HelmChart",
	"HelmRelease spec.chart.spec.version":                           "a range of versions",
	"HelmRelease spec.chart.spec.sourceRef.apiVersion":              "accepted and ignored",
	"HelmRelease spec.driftDetection.ignore[].*":                    "fields of its own objects that are left alone",
	"HelmRelease spec.postRenderers[].kustomize.images[].*":         "names of images in its own manifests",
	"HelmRelease spec.postRenderers[].kustomize.patches[].target.*": "what of its own manifests is patched; the patch is attacked",
	"HelmRelease spec.test.filters[].name":                          "tests of its own chart",
	"HelmRelease spec.values":                                       "data for its own templates, which are attacked",
	"HelmRelease spec.valuesFrom[].targetPath":                      "where a value goes among its own",
	"HelmRelease spec.releaseName":                                  "with the storage namespace, which is attacked",
	"HelmRelease status.lastAttempted*":                             "compared with the spec",
	"HelmRelease status.observed*":                                  "compared with the spec",
	"HelmRelease status.inventory.entries[].v":                      "for people",
	"HelmRelease status.history[].a*":                               "for people, and where to go on",
	"HelmRelease status.history[].c*":                               "for people, and compared with the spec",
	"HelmRelease status.history[].digest":                           "compared with a record; forged records are attacked",
	"HelmRelease status.history[].ociDigest":                        "compared with a record",
	"HelmRelease status.history[].status":                           "compared with a record",
	"HelmRelease status.history[].testHooks.*":                      "for people",

	"ExternalArtifact spec.*":                    "for people: fluxd does not read it",
	"* status.artifact.metadata.*":               "for people, and the origin revision",
	"* status.artifact.path":                     "written, and not read",
	"* status.artifact.revision":                 "compared",
	"Bucket spec.prefix":                         "a prefix of names in the bucket",
	"GitRepository spec.include[].toPath":        "a place in its own artifact; see its fromPath",
	"GitRepository spec.sparseCheckout[]":        "which of its own folders are taken",
	"GitRepository status.includedArtifacts[].*": "compared with what is included",
	"GitRepository status.observedInclude[].*":   "compared with the spec",
	"GitRepository status.observedSparse*":       "compared with the spec",
	"GitRepository status.sourceVerification*":   "compared with the spec",
	"HelmChart status.observed*":                 "compared with the spec and the source",
	"HelmRepository spec.accessFrom.*":           "nothing reads it, as in Flux",
	"HelmRepository status.artifact.*":           "compared with the index, which the spec leads to",
	"OCIRepository spec.layerSelector.mediaType": "which layer of its own artifact is taken",
	"OCIRepository status.observedLayer*":        "compared with the spec",
}

// harmlessAnnotations are those of fluxd's own that lead nowhere, and why.
var harmlessAnnotations = map[string]string{
	"prune-budget":      "a number for its own object",
	"approve-prune":     "a revision of its own object",
	"prune-self":        "a word for its own object",
	"held-by-bootstrap": "put on objects of flux-system by who bootstraps, and read there",
}

// fields returns the fields of the definitions that hold text of no given form, as
// "Kind path", in spec and status: a tenant with the role admin may write both.
func fields(t *testing.T) []string {
	t.Helper()
	tree, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(tree, "deploy", "crds", "*toolkit*.yaml"))
	if err != nil || len(names) < 8 {
		t.Fatalf("%d definitions, error %v", len(names), err)
	}
	var all []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var definition struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Storage bool
					Schema  struct{ OpenAPIV3Schema shape }
				}
			}
		}
		if err := yaml.Unmarshal(text, &definition); err != nil {
			t.Fatal(err)
		}
		for _, v := range definition.Spec.Versions {
			for _, part := range []string{"spec", "status"} {
				if v.Storage {
					all = append(all, v.Schema.OpenAPIV3Schema.Properties[part].texts(definition.Spec.Names.Kind+" "+part)...)
				}
			}
		}
	}
	return all
}

// shape is as much of the schema of a field as says whether it holds text.
type shape struct {
	Type, Format, Pattern string
	Enum                  []any
	Properties            map[string]shape
	Items                 *shape
	AdditionalProperties  *shape
}

// durations is how the patterns of durations begin.
const durations = `^([0-9]+(\.[0-9]+)?(ms|s|m`

// texts returns the fields at or below a path that can name something.
func (s shape) texts(path string) []string {
	switch {
	case len(s.Properties) > 0:
		var all []string
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			all = append(all, s.Properties[name].texts(path+"."+name)...)
		}
		return all
	case s.AdditionalProperties != nil:
		return []string{path + ".*"}
	case s.Items != nil:
		return s.Items.texts(path + "[]")
	case len(s.Enum) > 0, s.Format == "date-time", strings.HasPrefix(s.Pattern, durations), slices.Contains([]string{"boolean", "integer", "number"}, s.Type):
		return nil
	}
	return []string{path}
}

// covers says whether an entry of [harmless] is about a field.
func covers(entry, field string) bool {
	kind, path, _ := strings.Cut(entry, " ")
	of, at, _ := strings.Cut(field, " ")
	if kind != "*" && kind != of {
		return false
	}
	if prefix, ok := strings.CutSuffix(path, "*"); ok {
		return strings.HasPrefix(at, prefix)
	}
	return path == at
}

// Every field that can name something is attacked, or it is said why not. Neither list
// has anything that there is not.
func TestEveryFieldIsAttacked(t *testing.T) {
	all := fields(t)
	attacked := map[string]bool{}
	for name, a := range attacks() {
		if len(a.fields) == 0 {
			t.Errorf("the attack %s is on no field", name)
		}
		for _, field := range a.fields {
			attacked[field] = true
			if _, path, _ := strings.Cut(field, " "); (strings.HasPrefix(path, "spec.") || strings.HasPrefix(path, "status.")) && !slices.Contains(all, field) {
				t.Errorf("the attack %s is on %s, which is no field", name, field)
			}
		}
	}
	used := map[string]bool{}
	for _, field := range all {
		safe := ""
		for entry := range harmless {
			if covers(entry, field) {
				safe, used[entry] = entry, true
			}
		}
		if safe == "" && !attacked[field] {
			t.Errorf("%s can name something and nobody attacks it", field)
		}
	}
	for entry := range harmless {
		if !used[entry] {
			t.Errorf("%s is harmless, and there is no such field", entry)
		}
	}
	for _, name := range annotations(t) {
		field := "metadata.annotations[fluxd.io/" + name + "]"
		if safe := harmlessAnnotations[name] != ""; safe == (attacked["Kustomization "+field] || attacked["HelmRelease "+field] || attacked["Secret "+field]) {
			t.Errorf("the annotation fluxd.io/%s: harmless is %v, attacked %v", name, safe, !safe)
		}
	}
	t.Logf("%d fields, %d of them attacked, in %d ways", len(all), len(attacked), len(attacks()))
}

// annotations returns the names of the annotations of fluxd's own, as the code has them.
func annotations(t *testing.T) []string {
	t.Helper()
	tree, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	name := regexp.MustCompile(`(?:AnnotationPrefix \+ "|"fluxd\.io/)([a-z-]+)"`)
	err = filepath.WalkDir(filepath.Join(tree, "pkg"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range name.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}
