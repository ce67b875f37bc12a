package explain

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/kube"
)

// kinds is a mapper that knows a few.
type kinds map[string]schema.GroupVersionKind

func (k kinds) KindFor(r schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	if gvk, ok := k[r.Resource]; ok {
		return gvk, nil
	}
	return schema.GroupVersionKind{}, &meta.NoResourceMatchError{PartialResource: r}
}

func (k kinds) KindsFor(schema.GroupVersionResource) ([]schema.GroupVersionKind, error) {
	return nil, nil
}
func (k kinds) ResourceFor(r schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	return r, nil
}
func (k kinds) ResourcesFor(schema.GroupVersionResource) ([]schema.GroupVersionResource, error) {
	return nil, nil
}
func (k kinds) RESTMapping(gk schema.GroupKind, _ ...string) (*meta.RESTMapping, error) {
	return nil, &meta.NoKindMatchError{GroupKind: gk}
}
func (k kinds) RESTMappings(schema.GroupKind, ...string) ([]*meta.RESTMapping, error) {
	return nil, nil
}
func (k kinds) ResourceSingularizer(r string) (string, error) { return r, nil }

// gatekeeper lets ann see the Kustomizations app and nothing, but not base.
type gatekeeper struct{}

func (gatekeeper) Token(_ context.Context, token string) (kube.Subject, bool, error) {
	return kube.Subject{User: token}, token == "ann", nil
}

func (gatekeeper) Allowed(_ context.Context, _ kube.Subject, a kube.Action) (bool, error) {
	return a.Verb == "get" && a.Group == "kustomize.toolkit.fluxcd.io" && a.Resource == "kustomizations" && a.Namespace == "apps" && a.Name != "base", nil
}

func TestHandler(t *testing.T) {
	w := newWorld(t,
		thing("Kustomization", "app", "False DependencyNotReady dependency 'apps/base' is not ready", fromRepo, "spec dependsOn: [{name: base}]"),
		thing("Kustomization", "base", "False BuildFailed the secret reason", fromRepo))
	works := true
	h := door.New(door.Config{Reviewer: gatekeeper{}, Rate: 1000, Burst: 1000}).Wrap(NewHandler(Config{World: w}, func() bool { return works }))
	ask := func(method, path, token string) (int, string) {
		req := httptest.NewRequest(method, path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		return rec.Code, rec.Body.String()
	}
	for what, c := range map[string]struct {
		method, path, token string
		status              int
		says                string
	}{
		"what ann may see":     {http.MethodGet, URLPath + "kustomizations/apps/app", "ann", 200, "↳ its dependency Kustomization/apps/base (spec.dependsOn[0]) you may not see this"},
		"its source":           {http.MethodGet, URLPath + "ks/apps/app", "ann", 200, "source      GitRepository/apps/repo you may not see this"},
		"what is not there":    {http.MethodGet, URLPath + "kustomization/apps/nothing", "ann", 200, "Kustomization/apps/nothing does not exist"},
		"what ann may not see": {http.MethodGet, URLPath + "kustomization/apps/base", "ann", 403, `may not get kustomizations.kustomize.toolkit.fluxcd.io "base"`},
		"another kind":         {http.MethodGet, URLPath + "gitrepositories/apps/repo", "ann", 403, "may not get gitrepositories"},
		"somebody else":        {http.MethodGet, URLPath + "kustomization/apps/app", "bob", 401, "a valid bearer token"},
		"no kind of ours":      {http.MethodGet, URLPath + "secrets/apps/app", "ann", 400, `"secrets" is not a kind of fluxd`},
		"another path":         {http.MethodGet, URLPath + "kustomizations/app", "ann", 400, "the path is not"},
		"a parameter":          {http.MethodGet, URLPath + "ks/apps/app?deep=1", "ann", 400, "no parameters"},
		"another method":       {http.MethodPost, URLPath + "ks/apps/app", "ann", 405, "by GET"},
	} {
		status, text := ask(c.method, c.path, c.token)
		if status != c.status || !strings.Contains(text, c.says) || strings.Contains(text, "secret reason") {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	works = false
	if status, _ := ask(http.MethodGet, URLPath+"ks/apps/app", "ann"); status != http.StatusServiceUnavailable {
		t.Errorf("while another process works: %d", status)
	}
}
