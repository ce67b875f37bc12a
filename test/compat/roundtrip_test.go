package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	theirhelm "github.com/fluxcd/helm-controller/api/v2"
	theirkustomize "github.com/fluxcd/kustomize-controller/api/v1"
	theirsource "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	helmv2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
)

// kinds pairs constructors: the published type, ours.
var kinds = map[string][2]func() any{
	"GitRepository":    {blank[theirsource.GitRepository], blank[sourcev1.GitRepository]},
	"OCIRepository":    {blank[theirsource.OCIRepository], blank[sourcev1.OCIRepository]},
	"HelmRepository":   {blank[theirsource.HelmRepository], blank[sourcev1.HelmRepository]},
	"HelmChart":        {blank[theirsource.HelmChart], blank[sourcev1.HelmChart]},
	"Bucket":           {blank[theirsource.Bucket], blank[sourcev1.Bucket]},
	"ExternalArtifact": {blank[theirsource.ExternalArtifact], blank[sourcev1.ExternalArtifact]},
	"Kustomization":    {blank[theirkustomize.Kustomization], blank[kustomizev1.Kustomization]},
	"HelmRelease":      {blank[theirhelm.HelmRelease], blank[helmv2.HelmRelease]},
}

func blank[T any]() any { return new(T) }

func TestEveryKindIsPaired(t *testing.T) {
	t.Parallel()
	if len(kinds) != len(must(t, published)) || len(kinds) != len(api.Resources()) {
		t.Errorf("%d kinds are paired, %d are published", len(kinds), len(must(t, published)))
	}
}

// What a stock controller has written, we read and write back unchanged, and the
// other way round.
func TestFullObjectsSurvive(t *testing.T) {
	for name, pair := range kinds {
		for direction, p := range map[string][2]func() any{
			"published through ours": {pair[0], pair[1]},
			"ours through published": {pair[1], pair[0]},
		} {
			t.Run(name+"/"+direction, func(t *testing.T) {
				t.Parallel()
				from, through := p[0](), p[1]()
				fill(t, reflect.ValueOf(from).Elem(), name)
				want := encode(t, from)
				decode(t, want, through)
				if diff := cmp.Diff(generic(t, want), generic(t, encode(t, through))); diff != "" {
					t.Errorf("-before +after\n%s", diff)
				}
			})
		}
	}
}

// An object that says nothing, as each side writes it, is one that says nothing to
// the other side.
func TestEmptyObjectsAreUnderstood(t *testing.T) {
	for name, pair := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine, theirs := pair[1](), pair[0]()
			decode(t, encode(t, pair[0]()), mine)
			decode(t, encode(t, mine), theirs)
			if diff := cmp.Diff(pair[0](), theirs); diff != "" {
				t.Errorf("-before +after\n%s", diff)
			}
		})
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
}

func generic(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// fill sets every field below v to something of its own, so that none can be
// mistaken for another or for its zero value.
func fill(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *metav1.Time:
		*x = metav1.NewTime(time.Unix(1_700_000_000+int64(len(path)), 0).UTC())
		return
	case *metav1.Duration:
		x.Duration = time.Duration(len(path)) * time.Second
		return
	case *apiextensionsv1.JSON:
		x.Raw = fmt.Appendf(nil, `{"path":%q,"n":1.5,"list":[1,null]}`, path)
		return
	case *api.JSON:
		x.Raw = fmt.Appendf(nil, `{"path":%q,"n":1.5,"list":[1,null]}`, path)
		return
	case *metav1.ObjectMeta:
		x.Name, x.Namespace = "name", "namespace"
		return
	}
	fillKind(t, v, path)
}

func fillKind(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), path+"[0]")
		fill(t, v.Index(1), path+"[1]")
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(t, value, path+"{}")
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), value)
	case reflect.String:
		v.SetString(path)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(len(path)))
	default:
		t.Fatalf("%s: no value for a %s", path, v.Kind())
	}
}
