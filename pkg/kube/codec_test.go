package kube

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/scheme"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const head = `"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepository",`

func stored(name, spec string) string {
	return fmt.Sprintf(`{%s"metadata":{"namespace":"edge","name":%q,"uid":"u-%s","generation":3,"managedFields":[{"manager":"x"}]},`+
		`"spec":%s,"status":{"observedGeneration":2,"conditions":[{"type":"Ready","status":"True"}]}}`, head, name, name, spec)
}

const (
	good = `{"url":"https://example.com","interval":"10m"}`
	bad  = `{"url":"https://example.com","interval":"999999999999h"}`
)

// One object that does not decode does not take the list with it.
func TestDecodeList(t *testing.T) {
	data := `{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepositoryList","metadata":{"resourceVersion":"7","continue":"more"},` +
		`"items":[` + stored("one", good) + `,` + stored("two", bad) + `,` + stored("three", good) + `]}`
	obj, _, err := codec{scheme.New()}.Decode([]byte(data), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := obj.(*internalversion.List)
	if list.ResourceVersion != "7" || list.Continue != "more" || len(list.Items) != 3 {
		t.Fatalf("version %s, continue %q, %d items", list.ResourceVersion, list.Continue, len(list.Items))
	}
	for i, name := range []string{"one", "two", "three"} {
		m := list.Items[i].(metav1.Object)
		if m.GetName() != name || m.GetUID() == "" || m.GetGeneration() != 3 || m.GetManagedFields() != nil {
			t.Errorf("item %d: %s %s, generation %d, managed fields %v", i, m.GetName(), m.GetUID(), m.GetGeneration(), m.GetManagedFields())
		}
		if gvk := list.Items[i].GetObjectKind().GroupVersionKind(); gvk != api.GitRepositoryGVK {
			t.Errorf("item %d is a %s", i, gvk)
		}
	}
	if d := list.Items[0].(*sourcev1.GitRepository).Spec.Interval.Duration; d != 10*time.Minute {
		t.Errorf("interval %s", d)
	}
	u, ok := list.Items[1].(*Undecodable)
	if !ok || u.Err == nil || u.Status.ObservedGeneration != 2 || len(u.Status.Conditions) != 1 {
		t.Errorf("the bad one is %T %+v", list.Items[1], list.Items[1])
	}
	again := u.DeepCopyObject().(*Undecodable)
	again.Status.Conditions[0].Type = "Changed"
	if u.Status.Conditions[0].Type != "Ready" {
		t.Error("a copy shares the conditions")
	}
}

func TestDecode(t *testing.T) {
	tests := map[string]struct {
		data  string
		want  string // the type
		error bool
	}{
		"an object":           {stored("it", good), "*v1.GitRepository", false},
		"one that is bad":     {stored("it", bad), "*kube.Undecodable", false},
		"an empty list":       {`{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepositoryList","metadata":{},"items":[]}`, "*internalversion.List", false},
		"a refusal":           {`{"apiVersion":"v1","kind":"Status","status":"Failure","code":404}`, "*v1.Status", false},
		"a bad status":        {`{` + head + `"metadata":{"name":"it"},"status":{"conditions":"none"}}`, "*kube.Undecodable", false},
		"an unknown kind":     {`{"apiVersion":"example.com/v1","kind":"Thing","metadata":{}}`, "", true},
		"no JSON":             {`<html>`, "", true},
		"metadata of a list":  {`{"kind":"GitRepositoryList","metadata":3,"items":[]}`, "", true},
		"metadata that is no": {`{` + head + `"metadata":{"name":3}}`, "", true},
		"upper case fields":   {strings.Replace(stored("it", good), `"url"`, `"URL"`, 1), "*v1.GitRepository", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj, _, err := codec{scheme.New()}.Decode([]byte(test.data), nil, nil)
			if (err != nil) != test.error {
				t.Fatalf("error %v", err)
			}
			if got := fmt.Sprintf("%T", obj); !test.error && got != test.want {
				t.Errorf("decoded to %s, want %s", got, test.want)
			}
			if r, ok := obj.(*sourcev1.GitRepository); ok && name == "upper case fields" && r.Spec.URL != "" {
				t.Error("fields are told apart by case, as the API server does")
			}
		})
	}
}
