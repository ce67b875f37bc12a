package v2

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDefaults(t *testing.T) {
	no, yes, zero := false, true, 0
	hr := func(spec HelmReleaseSpec) *HelmRelease {
		return &HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}, Spec: spec}
	}
	empty := hr(HelmReleaseSpec{})
	cases := map[string]struct{ got, want any }{
		"release name":                         {empty.GetReleaseName(), "app"},
		"release name with a target namespace": {hr(HelmReleaseSpec{TargetNamespace: "web"}).GetReleaseName(), "web-app"},
		"release name, given":                  {hr(HelmReleaseSpec{TargetNamespace: "web", ReleaseName: "x"}).GetReleaseName(), "x"},
		"release namespace":                    {empty.GetReleaseNamespace(), "ns"},
		"release namespace, given":             {hr(HelmReleaseSpec{TargetNamespace: "web"}).GetReleaseNamespace(), "web"},
		"storage namespace":                    {hr(HelmReleaseSpec{TargetNamespace: "web"}).GetStorageNamespace(), "ns"},
		"storage namespace, given":             {hr(HelmReleaseSpec{StorageNamespace: "web"}).GetStorageNamespace(), "web"},
		"chart name":                           {empty.GetHelmChartName(), "ns-app"},
		"timeout":                              {empty.GetTimeout(), 5 * time.Minute},
		"history":                              {empty.GetMaxHistory(), 5},
		"unlimited history":                    {hr(HelmReleaseSpec{MaxHistory: &zero}).GetMaxHistory(), 0},
		"persistent client":                    {empty.UsesPersistentClient(), true},
		"no persistent client":                 {hr(HelmReleaseSpec{PersistentClient: &no}).UsesPersistentClient(), false},
		"wait strategy":                        {empty.GetWaitStrategy(), WaitStrategyName("")},
		"drift":                                {empty.GetDriftDetection().GetMode(), DriftDisabled},
		"drift is not looked for":              {empty.GetDriftDetection().Detects(), false},
		"drift is looked for":                  {DriftDetection{Mode: DriftWarn}.Detects(), true},
		"install timeout":                      {empty.GetInstall().GetTimeout(time.Hour), time.Hour},
		"install remediates the last failure":  {empty.GetInstall().GetRemediation().RemediatesLastFailure(), false},
		"install retry interval":               {InstallStrategy{}.GetRetryInterval(), 5 * time.Minute},
		"upgrade remediates the last failure":  {empty.GetUpgrade().GetRemediation().RemediatesLastFailure(), false},
		"with retries it does":                 {UpgradeRemediation{Retries: 1}.RemediatesLastFailure(), true},
		"unless told not to":                   {UpgradeRemediation{Retries: 1, RemediateLastFailure: &no}.RemediatesLastFailure(), false},
		"endless retries are not a last one":   {UpgradeRemediation{Retries: -1}.RemediatesLastFailure(), false},
		"upgrade strategy":                     {UpgradeRemediation{}.GetStrategy(), RemediateRollback},
		"chart name change":                    {empty.GetUpgrade().GetChartNameChangeStrategy(), ChartNameChangeReinstall},
		"test failures":                        {InstallRemediation{}.IgnoresTestFailures(true), true},
		"test failures, given":                 {UpgradeRemediation{IgnoreTestFailures: &yes}.IgnoresTestFailures(false), true},
		"deletion propagation":                 {empty.GetUninstall().GetDeletionPropagation(), "background"},
		"values key":                           {ValuesReference{}.GetValuesKey(), "values.yaml"},
		"chart namespace":                      {HelmChartTemplate{}.GetNamespace("ns"), "ns"},
		"chart interval":                       {HelmChartTemplate{}.GetInterval(metav1.Duration{Duration: 1}), metav1.Duration{Duration: 1}},
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

func TestGetHelmChart(t *testing.T) {
	cases := map[string]struct{ in, namespace, name string }{
		"empty":     {"", "", ""},
		"both":      {"ns/app", "ns", "app"},
		"malformed": {"app", "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns, n := HelmReleaseStatus{HelmChart: tc.in}.GetHelmChart()
			if ns != tc.namespace || n != tc.name {
				t.Errorf("got %q, %q", ns, n)
			}
		})
	}
}
