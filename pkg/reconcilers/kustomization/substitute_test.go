package kustomization

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/fault"
)

// substituting makes the world one whose only object has the variable v in it.
func (w *world) substituting(value string, post *v1.PostBuild) {
	w.push("r1", map[string]string{"app/a.json": object("ConfigMap", "a", value)})
	w.ks.Spec.PostBuild = post
}

// applied returns the value of the object a in the cluster.
func (w *world) applied() string {
	for e, content := range w.cluster.objects {
		if e.Name == "a" {
			_, rest, _ := strings.Cut(content, `"k":"`)
			value, _, _ := strings.Cut(rest, `"`)
			return value
		}
	}
	return "none"
}

func TestVariables(t *testing.T) {
	inline := func(values map[string]string) *v1.PostBuild { return &v1.PostBuild{Substitute: values} }
	from := func(refs ...v1.SubstituteReference) *v1.PostBuild { return &v1.PostBuild{SubstituteFrom: refs} }
	cm, secret := v1.SubstituteReference{Kind: "ConfigMap", Name: "vars"}, v1.SubstituteReference{Kind: "Secret", Name: "vars"}
	missing, optional := v1.SubstituteReference{Kind: "ConfigMap", Name: "none"}, v1.SubstituteReference{Kind: "Secret", Name: "none", Optional: true}
	both := from(cm, secret)
	both.Substitute = map[string]string{"v": "inline"}
	const failed, applied = "False/BuildFailed: ", "True/ReconciliationSucceeded: Applied revision: r1"
	const post = "post build failed for 'ConfigMap.v1.[noGrp]/a': envsubst error: "
	cases := map[string]struct {
		text, want, ready string
		post              *v1.PostBuild
		lax               bool
	}{
		"inline":                              {text: "(${v})", want: "(x)", ready: applied, post: inline(map[string]string{"v": "x"})},
		"a ConfigMap":                         {text: "${v}", want: "map", ready: applied, post: from(cm)},
		"a Secret":                            {text: "${v}", want: "secret", ready: applied, post: from(secret)},
		"the later one wins":                  {text: "${v}-${c}-${s}", want: "map-1-2", ready: applied, post: from(secret, cm)},
		"inline wins over all":                {text: "${v}-${c}-${s}", want: "inline-1-2", ready: applied, post: both},
		"an optional one that is missing":     {text: "${v}", want: "map", ready: applied, post: from(cm, optional)},
		"only missing ones":                   {text: "${v}", want: "${v}", ready: applied, post: from(optional)},
		"nothing to substitute":               {text: "$${v:=d}", want: "$${v:=d}", ready: applied, post: &v1.PostBuild{}},
		"always":                              {text: "$${v:=d}${v:=d}", want: "${v:=d}d", ready: applied, post: &v1.PostBuild{SubstituteStrategy: v1.SubstituteAlways}},
		"a missing one":                       {text: "x", want: "none", ready: failed + `substitute from 'ConfigMap/none' error: configmaps "none" not found`, post: from(missing)},
		"another kind":                        {text: "x", want: "none", ready: failed + `substitute from 'Pod/a' error: the kind is neither Secret nor ConfigMap`, post: from(v1.SubstituteReference{Kind: "Pod", Name: "a"})},
		"an unset variable":                   {text: "${u}", want: "none", ready: failed + post + `variable substitution failed: variable not set (strict mode): "u"`, post: from(cm)},
		"an unset variable in lax mode":       {text: "-${u}-", want: "--", ready: applied, post: from(cm), lax: true},
		"a malformed expression":              {text: "${}", want: "none", ready: failed + post + "variable substitution failed: unable to parse variable name", post: from(cm)},
		"a name that cannot be a variable":    {text: "x", want: "none", ready: failed + post + "'a.b' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'", post: inline(map[string]string{"a.b": "x"})},
		"a value that is an expression":       {text: "${v}", want: "${c}", ready: applied, post: inline(map[string]string{"v": "${c}", "c": "x"})},
		"an object of another namespace's":    {text: "${v}", want: "none", ready: failed + `substitute from 'Secret/foreign' error: secrets "foreign" not found`, post: from(v1.SubstituteReference{Kind: "Secret", Name: "foreign"})},
		"a value that makes another document": {text: "${v}", want: "none", ready: failed + post + "YAMLToJSON: yaml: line 3: mapping values are not allowed in this context", post: inline(map[string]string{"v": "a: b: c"})},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.configs.data["ConfigMap/flux-system/vars"] = map[string]string{"v": "map", "c": "1"}
				w.configs.data["Secret/flux-system/vars"] = map[string]string{"v": "secret", "s": "2\n"}
				w.configs.data["Secret/apps/foreign"] = map[string]string{"v": "foreign"}
				w.r.options.StrictSubstitution = !c.lax
				w.substituting(c.text, c.post)
				_, err := w.run()
				w.want("applied", w.applied(), c.want)
				w.want("ready", w.condition(api.ConditionReady), c.ready)
				w.want("attempted", w.ks.Status.LastAttemptedRevision, "r1")
				if e, ok := errors.AsType[*fault.FailedError](err); err != nil && (!ok || e.Backoff) {
					t.Errorf("got %#v", err)
				}
			})
		})
	}
}

// What decides a build is read every time; what is as it was is not built.
func TestVariablesDecideWhetherToBuild(t *testing.T) {
	bubble(t, func(w *world) {
		vars := map[string]string{"v": "one"}
		w.configs.data["Secret/flux-system/vars"] = vars
		w.substituting("${v}", &v1.PostBuild{SubstituteFrom: []v1.SubstituteReference{{Kind: "Secret", Name: "vars"}}})
		w.must()
		w.want("builds", w.folder.builds, 1)
		digest, saved := w.ks.Status.History[0].Digest, w.saved

		w.configs.reads = 0
		w.must()
		w.want("the same variables: builds", w.folder.builds, 1)
		w.want("the same variables: reads", w.configs.reads, 1)
		w.want("the same variables: writes of status", w.saved, saved)

		vars["v"] = "two"
		w.must()
		w.want("another value: builds", w.folder.builds, 2)
		w.want("another value", w.applied(), "two")
		w.want("another value: history", []any{len(w.ks.Status.History), w.ks.Status.History[0].Digest != digest}, []any{2, true})

		w.ks.Spec.PostBuild.Substitute = map[string]string{"v": "three"}
		w.must()
		w.want("a value of the spec: builds", w.folder.builds, 3)
		w.want("a value of the spec", w.applied(), "three")
	})
}

func TestVariablesThatCannotBeRead(t *testing.T) {
	bubble(t, func(w *world) {
		w.substituting("${v}", &v1.PostBuild{SubstituteFrom: []v1.SubstituteReference{{Kind: "Secret", Name: "vars", Optional: true}}})
		w.configs.err = errors.New("no route to host")
		w.run() //nolint:errcheck // it is in the condition
		w.want("ready", w.condition(api.ConditionReady), "False/BuildFailed: substitute from 'Secret/vars' error: no route to host")
		w.want("builds", w.folder.builds, 0)

		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := w.r.Reconcile(ctx, w.ks.DeepCopy()); !errors.Is(err, context.Canceled) || fault.Reason(err, "none") != "none" {
			t.Errorf("cancelled: got %#v", err)
		}
	})
}

func TestConfigReferences(t *testing.T) {
	bubble(t, func(w *world) {
		w.ks.Spec.DependsOn = []api.DependencyReference{{Name: "infra"}, {Name: "base", Namespace: "other"}}
		w.ks.Spec.PostBuild = &v1.PostBuild{SubstituteFrom: []v1.SubstituteReference{
			{Kind: "ConfigMap", Name: "vars"}, {Kind: "Secret", Name: "vars", Optional: true},
		}}
		var got []string
		for _, ref := range w.r.References(w.ks) {
			got = append(got, ref.String())
		}
		w.want("references", got, []string{
			"GitRepository/flux-system/repo", "Kustomization/flux-system/infra", "Kustomization/other/base",
			"ConfigMap/flux-system/vars", "Secret/flux-system/vars",
		})
	})
}
