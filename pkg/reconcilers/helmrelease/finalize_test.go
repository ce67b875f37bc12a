package helmrelease

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/fault"
)

// TestFinalize is the table of what becomes of a release whose object is deleted.
func TestFinalize(t *testing.T) {
	notFound := apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "there")
	tests := map[string]struct {
		given  func(*world)
		log    []string
		charts []string
		waits  bool
		reason string // of the failure
	}{
		"uninstalled": {log: []string{"uninstall"}},
		"with a HelmChart": {
			given: func(w *world) { w.hr.Status.HelmChart = "apps/apps-web" }, log: []string{"uninstall"}, charts: []string{"delete apps/apps-web"},
		},
		"nothing was released":              {given: func(w *world) { w.hr.Status.StorageNamespace = "" }},
		"suspended":                         {given: func(w *world) { w.hr.Spec.Suspend = true; w.hr.Status.HelmChart = "apps/apps-web" }},
		"released by hand":                  {given: func(w *world) { w.hr.Finalizers = nil }},
		"somebody else has uninstalled it":  {given: func(w *world) { clear(w.storage.records) }, log: []string{"uninstall of nothing"}},
		"whatever the source looks like":    {given: func(w *world) { clear(w.objects) }, log: []string{"uninstall"}},
		"it takes time":                     {given: func(w *world) { w.storage.waits["uninstall"] = 1 }, log: []string{"uninstall"}, waits: true},
		"it fails":                          {given: func(w *world) { w.storage.failing["uninstall"] = errBroken }, log: []string{"uninstall"}, reason: api.ReasonUninstallFailed},
		"it cannot begin":                   {given: func(w *world) { w.storage.refused["uninstall"] = errBroken }, log: []string{"uninstall"}, reason: api.ReasonUninstallFailed},
		"the cluster is not there":          {given: func(w *world) { w.absent = errBroken }, reason: api.ReasonUninstallFailed},
		"nobody knows the way any more":     {given: func(w *world) { w.absent = notFound }},
		"the account is gone":               {given: func(w *world) { w.lost = true }},
		"an expression that is none by now": {given: func(w *world) { w.hr.Spec.HealthCheckExprs = []api.CustomHealthCheck{{}} }, log: []string{"uninstall"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := w.run(0); err != nil {
				t.Fatal(err)
			}
			w.storage.log, w.hr = nil, w.hr.DeepCopy()
			if test.given != nil {
				test.given(w)
			}
			err := w.r.Finalize(t.Context(), w.hr)
			_, waits := errors.AsType[*fault.WaitingError](err)
			w.want("waits", waits, test.waits)
			if !waits {
				w.want("reason", fault.Reason(err, ""), test.reason)
			}
			w.want("actions", w.storage.log, test.log)
			w.want("charts", w.charts, test.charts)
			if err == nil {
				w.want("a second time", w.r.Finalize(t.Context(), w.hr), error(nil))
			}
		})
	}
}

// The release that is uninstalled is the one that is there, whatever the spec says now.
func TestFinalizeFindsTheRelease(t *testing.T) {
	w := newWorld(t)
	if err := w.run(0); err != nil {
		t.Fatal(err)
	}
	w.edit(func(o *v2.HelmRelease) { o.Spec.ReleaseName, o.Spec.StorageNamespace = "other", "other" })
	if err := w.r.Finalize(t.Context(), w.hr); err != nil {
		t.Fatal(err)
	}
	w.want("actions", w.storage.log, []string{"install", "uninstall"})
	w.want("records", len(w.storage.records), 0)
}
