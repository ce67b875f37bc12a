package helmchart_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/sources/helm/helmtest"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/oci/ocitest"
)

func push(r *ocitest.Registry, version string, archive []byte) string {
	return r.Push("charts/app", strings.ReplaceAll(version, "+", "_"), ocitest.Image{
		ConfigType: "application/vnd.cncf.helm.config.v1+json",
		Layers: []ocitest.Layer{
			{MediaType: "application/vnd.cncf.helm.chart.provenance.v1.prov", Content: []byte("signed")},
			{MediaType: oci.HelmLayer, Content: archive},
		},
	})
}

// withRegistry makes the HelmRepository one of a registry.
func withRegistry(t *testing.T, w *world) *ocitest.Registry {
	t.Helper()
	r := ocitest.New()
	t.Cleanup(r.Close)
	w.sources["HelmRepository/charts"] = &v1.HelmRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "charts"},
		Spec: v1.HelmRepositorySpec{
			URL: r.URL("charts") + "/", Type: v1.HelmRepositoryOCI, Insecure: true, Timeout: &metav1.Duration{Duration: 5 * time.Second},
		},
	}
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0+b1", "2.0.0-rc.1"} {
		push(r, v, chart(v))
	}
	r.Push("charts/app", "latest", ocitest.Image{})
	return r
}

func TestFromRegistry(t *testing.T) {
	for name, tc := range map[string]struct {
		change  []func(*v1.HelmChart)
		message string
		lists   bool
	}{
		"the latest":         {nil, "pulled 'app' chart with version '1.2.0+b1'", true},
		"a range":            {[]func(*v1.HelmChart){version("1.1.x")}, "pulled 'app' chart with version '1.1.0'", true},
		"a version":          {[]func(*v1.HelmChart){version("1.0.0")}, "pulled 'app' chart with version '1.0.0'", false},
		"a version of build": {[]func(*v1.HelmChart){version("1.2.0+b1")}, "pulled 'app' chart with version '1.2.0+b1'", false},
		"a pre-release":      {[]func(*v1.HelmChart){version("2.0.0-rc.1")}, "pulled 'app' chart with version '2.0.0-rc.1'", false},
		"with values":        {[]func(*v1.HelmChart){version("1.0.0"), valuesFiles("prod.yaml")}, "packaged 'app' chart with version '1.0.0+1' and merged values files [prod.yaml]", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := withRegistry(t, w)
			o := w.object(tc.change...)
			if result := w.ready(o); result.Message != tc.message {
				t.Errorf("got %q, want %q", result.Message, tc.message)
			}
			w.archive(o)
			if lists := strings.Contains(strings.Join(r.Requests(), "\n"), "tags/list"); lists != tc.lists {
				t.Errorf("the tags were listed: %t", lists)
			}
			before := o.DeepCopy()
			w.ready(o)
			if diff := cmp.Diff(before.Status, o.Status); diff != "" {
				t.Errorf("the status changed:\n%s", diff)
			}
			if got := strings.Join(r.Requests(), "\n"); strings.Contains(got, "blobs") {
				t.Errorf("an unchanged chart was downloaded:\n%s", got)
			}
		})
	}
}

func TestRegistryLogin(t *testing.T) {
	basic := func(password string) secret {
		return secret{data: map[string][]byte{"username": []byte("u"), "password": []byte(password)}}
	}
	docker := func(host, password string) secret {
		auth := base64.StdEncoding.EncodeToString([]byte("u:" + password))
		return secret{"kubernetes.io/dockerconfigjson", map[string][]byte{
			".dockerconfigjson": fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, auth),
		}}
	}
	for name, tc := range map[string]struct {
		secret func(host string) secret
		text   string // empty is success
	}{
		"right":            {func(string) secret { return basic("hidden") }, ""},
		"of Docker":        {func(host string) secret { return docker(host, "hidden") }, ""},
		"wrong":            {func(string) secret { return basic("wrong") }, "authentication failed"},
		"of another host":  {func(string) secret { return docker("registry.example.com", "hidden") }, "no credentials for the registry"},
		"of Docker, empty": {func(string) secret { return secret{"kubernetes.io/dockerconfigjson", nil} }, "spec.secretRef"},
		"half": {func(string) secret {
			return secret{data: map[string][]byte{"password": []byte("hidden")}}
		}, "need each other"},
		"neither": {func(string) secret { return secret{} }, "authentication failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := withRegistry(t, w)
			r.RequireBasic("u", "hidden")
			w.secrets["ns/login"] = tc.secret(r.Host())
			w.repository("charts").Spec.SecretRef = &api.LocalObjectReference{Name: "login"}
			if tc.text == "" {
				w.ready(w.object())
				return
			}
			w.fails(w.object(), failure{api.ConditionFetchFailed, api.ReasonAuthenticationFailed, false, tc.text})
		})
	}
}

func TestRegistryFailures(t *testing.T) {
	pull := failure{api.ConditionFetchFailed, api.ReasonChartPullError, false, "chart pull error: "}
	for name, tc := range map[string]struct {
		change func(*v1.HelmChart)
		world  func(*world, *ocitest.Registry)
		want   failure
	}{
		"no such version":     {version("9.9.9"), nil, pull},
		"nothing in range":    {version(">9"), nil, pull},
		"a version like none": {version(">> 1"), nil, pull},
		"no such chart":       {named("gone"), nil, pull},
		"no chart in it": {version("3.0.0"), func(_ *world, r *ocitest.Registry) {
			r.PushFiles("charts/app", "3.0.0", map[string]string{"x": "y"})
		}, pull},
		"no archive in it": {version("3.0.0"), func(_ *world, r *ocitest.Registry) { push(r, "3.0.0", []byte("<html>")) }, pull},
		"a large archive":  {version("3.0.0"), func(_ *world, r *ocitest.Registry) { push(r, "3.0.0", make([]byte, 11<<20)) }, pull},
		"a registry that lies": {version("3.0.0"), func(_ *world, r *ocitest.Registry) {
			archive := chart("3.0.0")
			push(r, "3.0.0", archive)
			r.Corrupt(ocitest.DigestOf(archive), chart("1.0.0"))
		}, pull},
		"no registry": {nil, func(w *world, _ *ocitest.Registry) { w.repository("charts").Spec.URL = "oci://127.0.0.1:1/charts" }, pull},
		"a URL that is none": {nil, func(w *world, _ *ocitest.Registry) { w.repository("charts").Spec.URL = "oci://a b/" },
			failure{api.ConditionFetchFailed, api.ReasonURLInvalid, true, "HelmRepository 'charts': spec.url"}},
		"no certificates": {nil, func(w *world, _ *ocitest.Registry) {
			w.repository("charts").Spec.CertSecretRef = &api.LocalObjectReference{Name: "gone"}
		}, failure{api.ConditionFetchFailed, api.ReasonAuthenticationFailed, false, "HelmRepository 'charts': spec.certSecretRef"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := withRegistry(t, w)
			if tc.world != nil {
				tc.world(w, r)
			}
			o := w.object()
			if tc.change != nil {
				tc.change(o)
			}
			w.fails(o, tc.want)
		})
	}
}

func TestDependencyOfRegistry(t *testing.T) {
	w := newWorld(t)
	r := withRegistry(t, w)
	r.RequireBasic("u", "hidden")
	w.secrets["ns/login"] = secret{data: map[string][]byte{"username": []byte("u"), "password": []byte("hidden")}}
	w.repository("charts").Spec.SecretRef = &api.LocalObjectReference{Name: "login"}
	w.git(commit, files(map[string]string{
		"charts/app/Chart.yaml": helmtest.Manifest("app", "0.1.0", fmt.Sprintf("dependencies:\n- {name: app, version: 1.1.x, repository: '%s', alias: sub}\n", r.URL("charts"))),
	}))
	o := w.object(fromGit("charts/app"))
	w.ready(o)
	if got := w.file(o, "app/charts/sub/Chart.yaml"); !strings.Contains(got, "version: 1.1.0") {
		t.Errorf("the dependency is %q", got)
	}
}

func TestRefillFromRegistry(t *testing.T) {
	w := newWorld(t)
	r := withRegistry(t, w)
	o := w.object()
	w.ready(o)
	push(r, "1.9.0", chart("1.9.0"))
	o.Spec.Suspend = true
	w.restart()
	w.ready(o)
	if !bytes.Equal(w.archive(o), chart("1.2.0+b1")) {
		t.Error("it is another chart")
	}
}
