package helmchart_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/sources/helm/helmtest"
)

const commit = "main@sha1:4e5cbb7b97d0a1b2c3d4e5f60718293a4b5c6d7e"

func files(change map[string]string) map[string]string {
	all := map[string]string{
		"charts/app/Chart.yaml": helmtest.Manifest("app", "0.1.0"), "charts/app/values.yaml": "color: red\n",
		"charts/app/templates/x.yaml": "x: 1\n", "env/prod.yaml": "color: blue\n", "app.tgz": string(chart("1.0.0")),
	}
	for name, content := range change {
		all[name] = content
	}
	return all
}

func strategy(s string) func(*v1.HelmChart) {
	return func(o *v1.HelmChart) { o.Spec.ReconcileStrategy = s }
}

func TestFromTree(t *testing.T) {
	for name, tc := range map[string]struct {
		change  []func(*v1.HelmChart)
		message string
		values  string
	}{
		"a folder":                        {[]func(*v1.HelmChart){fromGit("./charts/app")}, "packaged 'app' chart with version '0.1.0'", "color: red\n"},
		"a folder, by revision":           {[]func(*v1.HelmChart){fromGit("charts/app"), strategy("Revision")}, "packaged 'app' chart with version '0.1.0+4e5cbb7b97d0'", "color: red\n"},
		"a folder, with values":           {[]func(*v1.HelmChart){fromGit("charts/app"), valuesFiles("env/prod.yaml")}, "packaged 'app' chart with version '0.1.0+1' and merged values files [env/prod.yaml]", "color: blue\n"},
		"a folder, with values, revision": {[]func(*v1.HelmChart){fromGit("charts/app"), valuesFiles("env/prod.yaml"), strategy("Revision")}, "packaged 'app' chart with version '0.1.0+4e5cbb7b97d0.1' and merged values files [env/prod.yaml]", "color: blue\n"},
		"an archive":                      {[]func(*v1.HelmChart){fromGit("app.tgz")}, "pulled 'app' chart with version '1.0.0'", "color: red\nsize: 1\n"},
		"an archive, by revision":         {[]func(*v1.HelmChart){fromGit("app.tgz"), strategy("Revision")}, "packaged 'app' chart with version '1.0.0+4e5cbb7b97d0'", "color: red\nsize: 1\n"},
		"an archive, with values":         {[]func(*v1.HelmChart){fromGit("app.tgz"), valuesFiles("charts/app/values.yaml", "env/prod.yaml")}, "packaged 'app' chart with version '1.0.0+1' and merged values files [charts/app/values.yaml env/prod.yaml]", "color: blue\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.git(commit, files(nil))
			o := w.object(tc.change...)
			result := w.ready(o)
			if result.Message != tc.message || result.Fact == nil || result.Fact.Message != tc.message {
				t.Errorf("the result is %+v", result)
			}
			if got := w.file(o, "app/values.yaml"); got != tc.values {
				t.Errorf("the values are %q, want %q", got, tc.values)
			}
			if o.Status.ObservedSourceArtifactRevision != commit {
				t.Errorf("the status is %+v", o.Status)
			}
			before := o.DeepCopy()
			again := w.ready(o)
			if diff := cmp.Diff(before.Status, o.Status); diff != "" || again.Fact == nil || !again.Fact.Routine {
				t.Errorf("again: the fact is %+v, the status changed:\n%s", again.Fact, diff)
			}
			digest := o.Status.Artifact.Digest
			w.restart()
			w.git(commit, files(nil))
			w.ready(o)
			if o.Status.Artifact.Digest != digest {
				t.Error("the digest is another one after a restart")
			}
		})
	}
	w := newWorld(t)
	w.git(commit, files(nil))
	o := w.object(fromGit("app.tgz"))
	w.ready(o)
	if !bytes.Equal(w.archive(o), chart("1.0.0")) {
		t.Error("an archive is not taken as it is")
	}
}

// Without a new version, new content is none, unless the revision counts.
func TestStrategy(t *testing.T) {
	w := newWorld(t)
	w.git(commit, files(nil))
	byVersion, byRevision := w.object(fromGit("charts/app")), w.object(fromGit("charts/app"), strategy("Revision"))
	byRevision.Name = "other"
	w.ready(byVersion)
	w.ready(byRevision)
	w.git("main@sha1:ffffffffffffffffffffffffffffffffffffffff", files(map[string]string{"charts/app/values.yaml": "color: green\n"}))
	w.ready(byVersion)
	w.ready(byRevision)
	if got := byVersion.Status.Artifact.Revision; got != "0.1.0" || w.file(byVersion, "app/values.yaml") != "color: red\n" {
		t.Errorf("by version: got %s", got)
	}
	if got := byRevision.Status.Artifact.Revision; got != "0.1.0+ffffffffffff" {
		t.Errorf("by revision: got %s", got)
	}
}

func TestBucketRevision(t *testing.T) {
	w := newWorld(t)
	w.git("sha256:"+strings.Repeat("ab", 32), files(nil))
	o := w.object(fromGit("charts/app"), strategy("Revision"))
	w.ready(o)
	if got := o.Status.Artifact.Revision; got != "0.1.0+abababababab" {
		t.Errorf("got %s", got)
	}
}

func TestColdTree(t *testing.T) {
	w := newWorld(t)
	w.git(commit, files(nil))
	o := w.object(fromGit("charts/app"))
	w.ready(o)
	w.restart()
	before := o.DeepCopy()
	_, err := w.reconcile(o)
	if waiting, ok := errors.AsType[*fault.WaitingError](err); !ok || !waiting.KeepReady || waiting.Reason != api.ReasonNoSourceArtifact {
		t.Errorf("got %v, want a wait that keeps Ready", err)
	}
	if diff := cmp.Diff(before.Status, o.Status); diff != "" {
		t.Errorf("the status changed:\n%s", diff)
	}
}

func TestTreeFailures(t *testing.T) {
	dependency := func(d string) map[string]string {
		return map[string]string{"charts/app/Chart.yaml": helmtest.Manifest("app", "0.1.0", "dependencies:\n- "+d+"\n")}
	}
	reference := failure{api.ConditionFetchFailed, api.ReasonInvalidChartReference, true, "invalid chart reference: "}
	for name, tc := range map[string]struct {
		change []func(*v1.HelmChart)
		files  map[string]string
		want   failure
	}{
		"no such path":          {[]func(*v1.HelmChart){fromGit("gone")}, nil, reference},
		"a path that leads out": {[]func(*v1.HelmChart){fromGit("../../etc/passwd")}, nil, reference},
		"no chart":              {[]func(*v1.HelmChart){fromGit("env")}, nil, reference},
		"a file that is none":   {[]func(*v1.HelmChart){fromGit("env/prod.yaml")}, nil, reference},
		"a bad Chart.yaml":      {[]func(*v1.HelmChart){fromGit("charts/app")}, map[string]string{"charts/app/Chart.yaml": "["}, reference},
		"no values":             {[]func(*v1.HelmChart){fromGit("charts/app"), valuesFiles("gone.yaml")}, nil, failure{api.ConditionBuildFailed, api.ReasonValuesFilesError, true, "no values file found at path 'gone.yaml'"}},
		"a bad values.yaml":     {[]func(*v1.HelmChart){fromGit("charts/app")}, map[string]string{"charts/app/values.yaml": "- x\n"}, failure{api.ConditionBuildFailed, api.ReasonChartPackageError, false, "chart package error: "}},
		"double stars":          {[]func(*v1.HelmChart){fromGit("charts/app")}, map[string]string{"charts/app/.helmignore": "**\n"}, failure{api.ConditionBuildFailed, api.ReasonChartPackageError, false, "double-star"}},
		"a missing dependency":  {[]func(*v1.HelmChart){fromGit("charts/app")}, dependency("{name: x, version: 1.0.0, repository: 'file://../x'}"), failure{api.ConditionBuildFailed, api.ReasonDependencyBuildError, false, "dependency build error: "}},
		"a dependency of nobody": {[]func(*v1.HelmChart){fromGit("charts/app")}, dependency("{name: x, version: 1.0.0, repository: 'http://127.0.0.1:1/'}"),
			failure{api.ConditionBuildFailed, api.ReasonDependencyBuildError, false, "remote dependency 'x'"}},
		"a registry of nobody": {[]func(*v1.HelmChart){fromGit("charts/app")}, dependency("{name: x, version: 1.0.0, repository: 'oci://127.0.0.1:1/charts'}"),
			failure{api.ConditionBuildFailed, api.ReasonDependencyBuildError, false, "remote dependency 'x'"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.git(commit, files(tc.files))
			w.fails(w.object(tc.change...), tc.want)
		})
	}
}

// The Secrets of a HelmRepository with the URL of a dependency are used for it.
func TestDependencies(t *testing.T) {
	w := newWorld(t)
	w.server.Require("hidden")
	w.git(commit, files(map[string]string{
		"charts/app/Chart.yaml": helmtest.Manifest("app", "0.1.0", fmt.Sprintf("dependencies:\n- {name: app, version: 1.x, repository: '%s', alias: sub}\n", w.server.URL)),
	}))
	o := w.object(fromGit("charts/app"))
	w.fails(o, failure{api.ConditionBuildFailed, api.ReasonDependencyBuildError, false, "401"})

	w.repository("charts").Spec.SecretRef = &api.LocalObjectReference{Name: "login"}
	w.fails(o, failure{api.ConditionBuildFailed, api.ReasonDependencyBuildError, false, "failed to get secret 'ns/login'"})

	w.secrets["ns/login"] = secret{data: map[string][]byte{"username": []byte("u"), "password": []byte("hidden")}}
	w.ready(o)
	if got := w.file(o, "app/charts/sub/Chart.yaml"); !strings.Contains(got, "version: 1.1.0") {
		t.Errorf("the dependency is %q", got)
	}
	if conditions.Has(o.Status.Conditions, api.ConditionBuildFailed) {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}

func TestRefillFromTree(t *testing.T) {
	w := newWorld(t)
	w.git(commit, files(nil))
	o := w.object(fromGit("charts/app"))
	w.ready(o)
	o.Spec.Suspend = true
	w.restart()
	if _, err := w.reconcile(o); err == nil {
		t.Error("there is no source in memory, and yet it succeeded")
	}
	w.git(commit, files(nil))
	w.ready(o)
	w.archive(o)
	w.restart()
	w.git(commit, files(map[string]string{"charts/app/values.yaml": "color: green\n"}))
	if _, err := w.reconcile(o); err == nil {
		t.Error("another chart of the same version was taken for the recorded one")
	}
}
