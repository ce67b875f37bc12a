package tenants

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// stock is how things were before the attacks.
type stock struct {
	mark     controlplane.AuditMark
	versions map[string]string // of the victim's objects
	runs     map[string]float64
	logs     int
}

// kinds are the resources that are looked at: what the victim has and the attacker
// could have copied it to.
func kinds() []schema.GroupVersionResource {
	all := []schema.GroupVersionResource{
		harness.ConfigMaps, world.Secrets, harness.Events, harness.Services, harness.Deployments,
		{Version: "v1", Resource: "serviceaccounts"}, harness.Jobs,
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	}
	for _, r := range api.Resources() {
		all = append(all, r.Name)
	}
	return all
}

func takeStock(t *testing.T) stock {
	t.Helper()
	mark, err := shared.Cluster.MarkAudit()
	if err != nil {
		t.Fatal(err)
	}
	return stock{mark: mark, versions: versions(t), runs: runs(t), logs: len(shared.Daemon.Logs())}
}

// versions are those of the victim's objects, and which namespaces, cluster roles and
// their bindings there are.
func versions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, gvr := range kinds() {
		list, err := shared.Cluster.Dynamic.Resource(gvr).Namespace(victim).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, obj := range list.Items {
			found[gvr.Resource+" "+obj.GetName()] = string(obj.GetUID()) + "@" + obj.GetResourceVersion()
		}
	}
	for _, resource := range []string{"clusterroles", "clusterrolebindings"} {
		list, err := shared.Cluster.Dynamic.Resource(schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: resource}).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, obj := range list.Items {
			found[resource+" "+obj.GetName()] = string(obj.GetUID())
		}
	}
	return found
}

// runs are the counts of reconciles of the victim's objects.
func runs(t *testing.T) map[string]float64 {
	t.Helper()
	text, err := shared.Daemon.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "gotk_reconcile_duration_seconds_count{") && strings.Contains(line, `namespace="`+victim+`"`) {
			at := strings.LastIndexByte(line, ' ')
			var count float64
			if _, err := fmt.Sscan(line[at:], &count); err != nil {
				t.Fatal(err)
			}
			found[line[:at]] = count
		}
	}
	return found
}

// check fails the test unless the victim has what it had, has not been disturbed, and
// nobody knows what only it may know.
func (s stock) check(t *testing.T) {
	t.Helper()
	world.Equal(t, "what the victim has", s.versions, versions(t))
	world.Equal(t, "reconciles of the victim's objects", s.runs, runs(t))
	s.strays(t)
	s.secrets(t)
}

// strays finds what was read or written beyond the attacker's namespace.
func (s stock) strays(t *testing.T) {
	t.Helper()
	all, err := shared.Cluster.AuditEvents(s.mark, harness.Account.Name)
	if err != nil {
		t.Fatal(err)
	}
	strays := map[string]int{}
	for _, e := range all {
		what := fmt.Sprintf("%s %s %s/%s as %q: %d", e.Request.Verb, e.Request.Resource, e.Namespace, e.Name, e.As, e.Code)
		guest := strings.HasPrefix(e.As, "system:serviceaccount:"+mallory+":")
		switch {
		case e.Request.Resource == "" || e.Namespace == mallory || e.Request.Resource == "leases":
		case guest && e.Code < 400, e.As == "" && e.Namespace == victim && e.Request.Verb != "watch", e.As != "" && !guest:
			strays[what]++
		}
	}
	for _, what := range slices.Sorted(maps.Keys(strays)) {
		t.Errorf("beyond the namespace of the attacker, %d times: %s", strays[what], what)
	}
}

// secrets finds the victim's data in what the attacker, or who reads logs, may see.
func (s stock) secrets(t *testing.T) {
	t.Helper()
	var jewels []string
	for _, text := range []string{canary, password} {
		jewels = append(jewels, text, base64.StdEncoding.EncodeToString([]byte(text))[:16])
	}
	look := func(where, text string) {
		for _, jewel := range jewels {
			if at := strings.Index(text, jewel); at >= 0 {
				t.Errorf("%s has what only the victim may see: …%s", where, text[max(0, at-200):min(len(text), at+60)])
			}
		}
	}
	for _, gvr := range kinds() {
		list, err := shared.Cluster.Dynamic.Resource(gvr).Namespace(mallory).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, obj := range list.Items {
			text, err := json.Marshal(obj.Object)
			if err != nil {
				t.Fatal(err)
			}
			look(gvr.Resource+" "+obj.GetName(), string(text))
		}
	}
	for _, line := range shared.Daemon.Logs()[s.logs:] {
		look("the log", line)
	}
}
