package apply

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/kube"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// as returns the applier of w with the identity of a service account.
func (w *world) as(account string) *apply.Applier {
	w.t.Helper()
	config := w.clients().Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + w.namespace + ":" + account}
	clients, err := kube.NewClients(config, runtime.NewScheme())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.As(config.Impersonate.UserName, clients.Dynamic)
}

func TestTenantsWriteAndReadAsThemselves(t *testing.T) {
	w := newWorld(t)
	w.kubectl("-n", w.namespace, "create", "deployment", "theirs", "--image=example.com/x")
	w.kubectl("-n", w.namespace, "create", "role", "tenant", "--verb=get,create,patch,delete", "--resource=configmaps")
	w.kubectl("-n", w.namespace, "create", "rolebinding", "tenant", "--role=tenant", "--serviceaccount="+w.namespace+":tenant")
	w.Applier = w.as("tenant")

	_, err := w.pass(w.request(four))
	if err == nil || !strings.Contains(err.Error(), `User "system:serviceaccount:`+w.namespace+`:tenant" cannot patch`) {
		t.Fatalf("got %v", err)
	}
	equal(t, "", w.jsonpath("{.metadata.name}", "configmap/config"))

	const own = `
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS}
data: {key: "1"}
`
	w.inv = nil
	equal(t, []string{"ConfigMap/NS/config created"}, w.apply(own))
	w.quiet()
	equal(t, map[string]int{}, w.counted(func() { w.apply(own) })) // although it may not watch

	r, err := w.Health(t.Context(), w.owner, append(w.inv, apply.Entry{Group: "apps", Kind: "Deployment", Namespace: w.namespace, Name: "theirs"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 1 || r.Findings[0].Status != "Unknown" || !strings.Contains(r.Findings[0].Err.Error(), "cannot get resource") {
		t.Errorf("got %v", r.Findings)
	}
}
