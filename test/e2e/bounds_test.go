package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// Names that are too long are told, wherever they are, and harm nobody.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("n", 64)
	w := newWorld(t, files{
		"app/config.yaml":      configMap("config", "1"),
		"service/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: " + long + ", namespace: NS}\nspec: {ports: [{port: 80}]}\n",
		"service/config.yaml":  configMap("beside", "1"),
		"map/config.yaml":      configMap(strings.Repeat("m", 254), "1"),
	})
	w.source("repo")
	w.kustomization(long[1:], "./app")
	w.kustomization(long, "./app")
	w.kustomization("service", "./service")
	w.kustomization("map", "./map")
	w.ready(long[1:])
	for name, c := range map[string]struct {
		is   is
		says string
	}{
		long:      {stalled("InvalidName"), "metadata.name: its 64 characters are more than the 63 that fit into the label"},
		"service": {harness.Failed("ReconciliationFailed"), "Service/" + w.namespace + "/" + long + " dry-run failed (Invalid)"},
		"map":     {harness.Failed("ReconciliationFailed"), "must be no more than 253"},
	} {
		obj := w.wait(harness.Kustomized, name, c.is)
		_, message := condition(obj, "Ready")
		contains(t, name, message, c.says)
	}
	if w.get(harness.ConfigMaps, "beside") != nil {
		t.Error("a part was applied")
	}
	w.delete(harness.Kustomized, long)
	w.wait(harness.Kustomized, long, harness.Gone)
}

// Five thousand objects are one Kustomization like any other: one that is edited is
// written alone, and a commit that deletes half of them deletes half of them.
func TestFiveThousandObjects(t *testing.T) {
	const many = 5000
	objects := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			b.WriteString(configMap(fmt.Sprintf("object-%04d", i), "1") + "---\n")
		}
		return b.String()
	}
	w := newWorld(t, files{"app/first.yaml": objects(0, many/2), "app/second.yaml": objects(many/2, many)})
	w.source("repo")
	w.kustomization("app", "./app", "wait: true")
	app := w.waitFor(5*time.Minute, harness.Kustomized, "app", harness.Ready)
	equal(t, "inventory", many, len(w.inventory(app)))
	mark := w.mark()
	w.patch(harness.ConfigMaps, "object-4999", map[string]any{"data": map[string]any{"key": "edited"}})
	w.wait(harness.ConfigMaps, "object-4999", data("key", "1"))
	var written []string
	for _, r := range w.writes(mark) {
		if strings.HasPrefix(r, "configmaps ") {
			written = append(written, r)
		}
	}
	// kubectl left fields of its own, so that the object is compared first.
	equal(t, "writes, the first as a dry run", []string{"configmaps patch object-4999", "configmaps patch object-4999"}, written)

	commit := w.commit(files{"app/second.yaml": ""})
	w.request(harness.Sources, "repo")
	app = w.waitFor(5*time.Minute, harness.Kustomized, "app", func(obj *unstructured.Unstructured) bool {
		return harness.Ready(obj) && field(obj, "status", "lastAppliedRevision") == "main@sha1:"+commit
	})
	equal(t, "inventory", many/2, len(w.inventory(app)))
	w.wait(harness.ConfigMaps, "object-4999", harness.Gone)
	w.wait(harness.ConfigMaps, "object-2499", data("key", "1"))
}
