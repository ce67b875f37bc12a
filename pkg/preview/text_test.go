package preview

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/forecast"
)

// What people read.
func TestText(t *testing.T) {
	object := func(kind, name string, a forecast.Action) forecast.Object {
		return forecast.Object{Kind: kind, Namespace: "apps", Name: name, Action: a}
	}
	changed := object("Deployment", "web", forecast.Configured)
	changed.Change = []forecast.Field{
		{Path: "spec.replicas", Old: int64(1), New: int64(2)}, {Path: "spec.paused", New: true},
		{Path: "spec.template", Old: map[string]any{"a": "<b>"}}, {Path: "spec.long", Old: strings.Repeat("x", 200), New: ""},
	}
	changed.Drift = []forecast.Field{{Path: "spec.replicas", Old: int64(3), New: int64(1)}}
	secret := object("Secret", "token", forecast.Configured)
	secret.Change = []forecast.Field{{Path: "data.password", Masked: true}}
	lines := object("ConfigMap", "script", forecast.Configured)
	lines.Change = []forecast.Field{{Path: "data.run", Old: "#!/bin/sh\na\nb\nend\n", New: "#!/bin/sh\na\nc\nd\nend\n"}}
	lines.Notes = []string{"a note"}
	lost, taken := object("ConfigMap", "lost", forecast.Created), object("ConfigMap", "taken", forecast.Configured)
	lost.Restored = true
	hidden := object("ConfigMap", "hidden", forecast.Configured)
	hidden.Withheld = true
	refused, secretly := object("ConfigMap", "bad", forecast.Failed), object("Secret", "bad", forecast.Failed)
	refused.Message, secretly.Withheld = "ConfigMap/apps/bad dry-run failed: no\nand no", true
	kept := object("ConfigMap", "kept", forecast.Skipped)
	kept.Message = "ssa: Ignore"
	again := object("Job", "run", forecast.Recreated)
	again.Message = "it is immutable"
	r := &Report{Truncated: "there is more", Results: []forecast.Owner{
		{Kind: "Kustomization", Namespace: "apps", Name: "web", Current: "r1", Revision: "r2", Notes: []string{"be careful"}, Objects: []forecast.Object{
			object("Namespace", "new", forecast.Created), changed, secret, lines, lost, taken, hidden, refused, secretly, kept, again,
			object("ConfigMap", "same", forecast.Unchanged), object("ConfigMap", "old", forecast.Deleted),
		}},
		{Kind: "Kustomization", Namespace: "apps", Name: "broken", Revision: "r2", Error: "it does not build"},
		{Kind: "Kustomization", Namespace: "apps", Name: "empty", Current: "r2", Revision: "r2"},
	}}
	var out strings.Builder
	if err := r.Text(&out); err != nil {
		t.Fatal(err)
	}
	equal(t, "text", `Kustomization/apps/web from r1 to r2
⚠ be careful
► Namespace/apps/new created
► Deployment/apps/web changed
    spec.replicas: 1 → 2
    spec.paused: (none) → true
    spec.template: {"a":"<b>"} → (none)
    spec.long: "`+strings.Repeat("x", 119)+`… → ""
► Secret/apps/token changed
    data.password: *** (changed)
► ConfigMap/apps/script changed
    data.run:
        a
      - b
      + c
      + d
    ⚠ a note
► ConfigMap/apps/taken changed
► ConfigMap/apps/hidden changed
    (you may not get this object, so its fields are not shown)
✗ ConfigMap/apps/bad dry-run failed: no
  and no
✗ Secret/apps/bad is refused
    (you may not get this object, so its fields are not shown)
◎ ConfigMap/apps/kept skipped: ssa: Ignore
► Job/apps/run deleted and created again: it is immutable
► ConfigMap/apps/old deleted
drift, which the next apply corrects in any case:
► Deployment/apps/web corrected
    spec.replicas: 3 → 1
► ConfigMap/apps/lost created, since somebody has deleted it
✗ the apply would stop: of the stage of what is refused nothing is written, nothing after it, and nothing is deleted
2 created, 5 configured, 1 recreated, 1 deleted, 2 failed, 1 skipped, 1 unchanged

Kustomization/apps/broken at r2
✗ it does not build

Kustomization/apps/empty at r2
no objects

⚠ there is more
`, out.String())
	equal(t, "changed and failed", []int{9, 3}, []int{r.Changed(), r.Failures()})
}

// Of a message that quotes an object people see how it begins and ends.
func TestLongMessages(t *testing.T) {
	got := indented("begin\n" + strings.Repeat("x", 5000) + "\nend")
	if len([]rune(got)) > longestMessage+20 || !strings.HasPrefix(got, "begin\n  xx") || !strings.HasSuffix(got, "xx\n  end") {
		t.Errorf("%d characters: %s", len(got), got)
	}
}
