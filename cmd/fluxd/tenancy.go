package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	cloud "github.com/fluxd/fluxd/pkg/identity"
)

// tenancyFlags are the flags that say who applies objects.
type tenancyFlags struct {
	account, kubeconfigAccount string
	exec, insecureTLS          bool
}

func (t *tenancyFlags) register(f *pflag.FlagSet) {
	f.StringVar(&t.account, "default-service-account", "", "service account of objects that name none; empty lets them act as fluxd")
	f.StringVar(&t.kubeconfigAccount, "default-kubeconfig-service-account", "", "service account by whose identity a kubeConfig.configMapRef that names none leads to its cluster; needs the feature gate ObjectLevelWorkloadIdentity")
	f.BoolVar(&t.exec, "insecure-kubeconfig-exec", false, "accepted and refused where it matters: a kubeconfig cannot run programs, there are none")
	f.BoolVar(&t.insecureTLS, "insecure-kubeconfig-tls", false, "honour insecure-skip-tls-verify of the kubeconfig of a spec")
}

// validate refuses names that no service account can have: to ignore one would give
// tenants the rights of fluxd.
func (t *tenancyFlags) validate(objectLevel bool) error {
	var bad []error
	for flag, account := range map[string]string{
		"default-service-account": t.account, "default-kubeconfig-service-account": t.kubeconfigAccount,
	} {
		if account != "" && len(validation.IsDNS1123Subdomain(account)) > 0 {
			bad = append(bad, fmt.Errorf("--%s: %q is not the name of a service account", flag, account))
		}
	}
	if t.kubeconfigAccount != "" && !objectLevel {
		bad = append(bad, errors.New("--default-kubeconfig-service-account: needs --feature-gates=ObjectLevelWorkloadIdentity=true"))
	}
	return errors.Join(bad...)
}

// tenancy returns what says who applies the objects of a kind, which has options of its
// own.
func (d *daemon) tenancy(o *options, kind string, reader clusters.Reader, clouds *cloud.Clouds, cfg apply.Config) *clusters.Clusters {
	return clusters.New(clusters.Config{
		Apply: cfg, Local: d.clients, Reader: reader, Clouds: clouds, Kind: kind,
		DefaultAccount: o.tenancy.account, DefaultKubeconfigAccount: o.tenancy.kubeconfigAccount,
		ObjectLevel: o.gates["ObjectLevelWorkloadIdentity"], InsecureTLS: o.tenancy.insecureTLS,
		UserAgent: "fluxd/" + version,
	})
}
