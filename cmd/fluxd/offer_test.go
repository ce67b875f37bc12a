package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
)

func TestOffers(t *testing.T) {
	updated := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	artifact := func(kind, file string) *api.Artifact {
		return &api.Artifact{Path: kind + "/ns/app/" + file, Digest: "sha256:" + kind, LastUpdateTime: metav1.NewTime(updated)}
	}
	objects := map[string]api.Source{
		api.GitRepositoryKind:    &v1.GitRepository{Status: v1.GitRepositoryStatus{Artifact: artifact("gitrepository", "1234.tar.gz")}},
		api.OCIRepositoryKind:    &v1.OCIRepository{Status: v1.OCIRepositoryStatus{Artifact: artifact("ocirepository", "sha256:1.tar.gz")}},
		api.HelmRepositoryKind:   &v1.HelmRepository{Status: v1.HelmRepositoryStatus{Artifact: artifact("helmrepository", "index-1.yaml")}},
		api.HelmChartKind:        &v1.HelmChart{Status: v1.HelmChartStatus{Artifact: artifact("helmchart", "app-1.0.0.tgz")}},
		api.BucketKind:           &v1.Bucket{},
		api.ExternalArtifactKind: &v1.ExternalArtifact{Status: v1.ExternalArtifactStatus{Artifact: artifact("externalartifact", "1.tar.gz")}},
	}
	ahead := artifacts.Artifact{
		Owner: artifacts.Owner{Kind: api.GitRepositoryKind, Namespace: "ns", Name: "ahead"}, Digest: "sha256:new", File: "5678.tar.gz",
	}
	find := offers(func(o artifacts.Owner) (artifacts.Artifact, bool) { return ahead, o == ahead.Owner }, func(kind schema.GroupKind, namespace, name string) (api.Source, bool) {
		object, ok := objects[kind.Kind]
		return object, ok && kind.Group == api.SourceGroup && namespace == "ns" && name == "app"
	})
	if got, ok := find("gitrepository/ns/ahead/5678.tar.gz"); !ok || got.Digest != ahead.Digest {
		t.Errorf("what the status does not tell yet: got %+v", got)
	}
	if got, ok := find("gitrepository/ns/ahead/1234.tar.gz"); ok {
		t.Errorf("what is not there: got %+v", got)
	}
	for path, kind := range map[string]string{
		"gitrepository/ns/app/1234.tar.gz":     api.GitRepositoryKind,
		"ocirepository/ns/app/sha256:1.tar.gz": api.OCIRepositoryKind,
		"ocirepository/ns/app/latest.tar.gz":   api.OCIRepositoryKind,
		"helmchart/ns/app/latest.tar.gz":       api.HelmChartKind,

		"gitrepository/ns/app/latest.tar.gz":    "",
		"gitrepository/ns/app/5678.tar.gz":      "",
		"gitrepository/ns/app/":                 "",
		"gitrepository/ns/app":                  "",
		"gitrepository/ns/app/1234.tar.gz/x":    "",
		"gitrepository/ns/other/1234.tar.gz":    "",
		"gitrepository/other/app/1234.tar.gz":   "",
		"GitRepository/ns/app/1234.tar.gz":      "",
		"bucket/ns/app/latest.tar.gz":           "", // it has no artifact
		"externalartifact/ns/app/1.tar.gz":      "", // it is not ours
		"kustomization/ns/app/latest.tar.gz":    "",
		"secret/ns/app/latest.tar.gz":           "",
		"helmrepository/ns/app/index.yaml":      "", // it is not kept as an artifact
		"helmrepository/ns/app/index-1.yaml":    "",
		"gitrepository/ns/app/../app/1234.t.gz": "",
	} {
		got, ok := find(path)
		want := artifacts.Artifact{}
		if kind != "" {
			want = artifacts.Artifact{
				Owner:  artifacts.Owner{Kind: kind, Namespace: "ns", Name: "app"},
				Digest: objects[kind].GetArtifact().Digest, Updated: updated,
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || ok != (kind != "") {
			t.Errorf("%s: %t (-want +got):\n%s", path, ok, diff)
		}
	}
}
