package v1

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

func TestDefaults(t *testing.T) {
	minute := &metav1.Duration{Duration: 3 * time.Minute}
	cases := map[string]struct{ got, want any }{
		"git provider":                         {(&GitRepository{}).GetProvider(), "generic"},
		"git provider, given":                  {(&GitRepository{Spec: GitRepositorySpec{Provider: "azure"}}).GetProvider(), "azure"},
		"git timeout":                          {(&GitRepository{}).GetTimeout(), time.Minute},
		"git timeout, given":                   {(&GitRepository{Spec: GitRepositorySpec{Timeout: minute}}).GetTimeout(), 3 * time.Minute},
		"oci provider":                         {(&OCIRepository{}).GetProvider(), "generic"},
		"oci provider, given":                  {(&OCIRepository{Spec: OCIRepositorySpec{Provider: "gcp"}}).GetProvider(), "gcp"},
		"oci timeout":                          {(&OCIRepository{}).GetTimeout(), time.Minute},
		"layer media type":                     {(&OCIRepository{}).GetLayerMediaType(), ""},
		"layer operation":                      {(&OCIRepository{}).GetLayerOperation(), "extract"},
		"layer operation of an empty selector": {(&OCIRepository{Spec: OCIRepositorySpec{LayerSelector: &OCILayerSelector{}}}).GetLayerOperation(), "extract"},
		"helm repository provider":             {(&HelmRepository{}).GetProvider(), "generic"},
		"helm repository timeout":              {(&HelmRepository{}).GetTimeout(), time.Minute},
		"helm repository interval":             {(&HelmRepository{}).GetRequeueAfter(), time.Minute},
		"helm repository interval of 0":        {(&HelmRepository{Spec: HelmRepositorySpec{Interval: &metav1.Duration{}}}).GetRequeueAfter(), time.Minute},
		"helm repository interval, given":      {(&HelmRepository{Spec: HelmRepositorySpec{Interval: minute}}).GetRequeueAfter(), 3 * time.Minute},
		"helm repository type":                 {(&HelmRepository{}).IsOCI(), false},
		"helm repository type oci":             {(&HelmRepository{Spec: HelmRepositorySpec{Type: "oci"}}).IsOCI(), true},
		"bucket provider":                      {(&Bucket{}).GetProvider(), "generic"},
		"bucket timeout":                       {(&Bucket{}).GetTimeout(), time.Minute},
		"include target":                       {GitRepositoryInclude{GitRepositoryRef: ref("other")}.GetToPath(), "other"},
		"include target, given":                {GitRepositoryInclude{GitRepositoryRef: ref("other"), ToPath: "x"}.GetToPath(), "x"},
		"verification mode":                    {GitRepositoryVerification{}.GetMode(), VerifyHEAD},
		"verification mode, old":               {GitRepositoryVerification{Mode: "head"}.GetMode(), VerifyHEAD},
		"verification mode, given":             {GitRepositoryVerification{Mode: "TagAndHEAD"}.GetMode(), VerifyTagAndHEAD},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.got != tc.want {
				t.Errorf("got %v, want %v", tc.got, tc.want)
			}
		})
	}
}

func ref(name string) api.LocalObjectReference { return api.LocalObjectReference{Name: name} }
