package identity_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/identity/identitytest"
)

const (
	eks = "arn:aws:eks:eu-west-1:123456789012:cluster/edge"
	aks = "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/our-group/providers/Microsoft.ContainerService/managedClusters/edge"
	gke = "projects/my-project/locations/europe-west1/clusters/edge"
)

// newClusters returns a world with a cluster in each cloud.
func newClusters(t *testing.T) *world {
	w := newWorld(t)
	for _, name := range []string{eks, aks, aks + "-local", gke} {
		w.fake.Build(name, identitytest.Plane{Address: "https://edge.test", CA: []byte("authority")})
	}
	return w
}

// Whoever a request is about finds the cluster and is known there.
func TestClusters(t *testing.T) {
	arm, login := "management.azure.com", "login.microsoftonline.com"
	app := map[string]string{"azure.workload.identity/tenant-id": "tenant", "azure.workload.identity/client-id": "client"}
	for name, test := range map[string]struct {
		provider    identity.Provider
		cluster     string
		annotations map[string]string // nil for the process
		hosts       []string
		who         string
	}{
		"EKS as an account": {
			identity.AWS, eks, map[string]string{"eks.amazonaws.com/role-arn": role},
			[]string{"sts.eu-west-1.amazonaws.com", "eks.eu-west-1.amazonaws.com"},
			role + " by cluster token of apps/sa for sts.amazonaws.com",
		},
		"EKS as the process": {
			identity.AWS, eks, nil,
			[]string{"169.254.169.254", "169.254.169.254", "169.254.169.254", "eks.eu-west-1.amazonaws.com"}, "node-role",
		},
		"AKS as an account": {identity.Azure, aks, app, []string{login, arm, arm, login}, "application tenant/client"},
		"AKS as the process": {
			identity.Azure, aks, nil, []string{"169.254.169.254", arm, arm, "169.254.169.254"}, "managed identity ",
		},
		"GKE as an account": {
			identity.GCP, gke, map[string]string{"gcp.auth.fluxcd.io/workload-identity-provider": pool},
			[]string{"sts.googleapis.com", "container.googleapis.com"}, "federated cluster token of apps/sa for //iam.googleapis.com/" + pool,
		},
		"GKE as the process": {identity.GCP, gke, nil, []string{"169.254.169.254", "container.googleapis.com"}, "machine account"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newClusters(t)
			r := identity.Request{Provider: test.provider, Namespace: "apps"}
			if test.annotations != nil {
				r = w.account(test.provider, test.annotations)
			}
			for range 2 { // the second time from memory
				found, err := w.Endpoints(t.Context(), r, test.cluster)
				if err != nil {
					t.Fatal(err)
				}
				if address := strings.TrimPrefix(found[0].Address, "https://"); address != "edge.test" || string(found[0].CA) != "authority" {
					t.Errorf("got %+v", found)
				}
				token, err := w.ClusterToken(t.Context(), r, test.cluster)
				if err != nil {
					t.Fatal(err)
				}
				if who, err := w.fake.Caller(test.cluster, token.Value); who != test.who {
					t.Errorf("the cluster knows %q, error %v", who, err)
				}
			}
			if diff := cmp.Diff(test.hosts, w.fake.Hosts()); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
}

// Whom the token of an account is for may be said, where a cloud has been told to expect
// somebody else.
func TestAudiencesOfClusters(t *testing.T) {
	w := newClusters(t)
	r := roleAccount(w)
	r.Audiences = []string{"our-clusters"}
	if _, err := w.ClusterToken(t.Context(), r, eks); !errors.Is(err, identity.ErrRefused) {
		t.Fatalf("got %v", err) // this AWS has not been told
	}
	if got := w.fake.Owner(w.fake.Calls()[0].Form.Get("WebIdentityToken")); got != "cluster token of apps/sa for our-clusters" {
		t.Errorf("AWS was shown the %s", got)
	}
	r.Audiences = nil
	if _, err := w.ClusterToken(t.Context(), r, eks); err != nil {
		t.Error(err)
	}
}

// A token of EKS is for one cluster and a quarter of an hour, of which it is used for
// most.
func TestEKSTokens(t *testing.T) {
	w := newClusters(t)
	r := roleAccount(w)
	first, err := w.ClusterToken(t.Context(), r, eks)
	if err != nil || !first.Expires.Equal(now.Add(15*time.Minute)) {
		t.Fatal(first.Expires, err)
	}
	if who, err := w.fake.Caller(eks+"-2", first.Value); err == nil {
		t.Errorf("another cluster takes it from %q", who)
	}
	for _, step := range []struct {
		after time.Duration
		same  bool
	}{{12*time.Minute - time.Second, true}, {12 * time.Minute, false}} {
		w.clock = now.Add(step.after)
		token, err := w.ClusterToken(t.Context(), r, eks)
		if err != nil || (token.Value == first.Value) != step.same {
			t.Errorf("after %s: the same is %v, error %v", step.after, token.Value == first.Value, err)
		}
	}
	w.clock = now.Add(15*time.Minute + time.Second)
	if _, err := w.fake.Caller(eks, first.Value); err == nil {
		t.Error("it is good for longer")
	}
}

func TestClusterNames(t *testing.T) {
	for name, p := range map[string]identity.Provider{
		eks: identity.AWS, aks: identity.Azure, gke: identity.GCP, strings.ToLower(aks): identity.Azure,
		"arn:aws-cn:eks:cn-north-1:123456789012:cluster/a_b-c":    identity.AWS,
		"projects/example.com:name/locations/us-a/clusters/c":     identity.GCP,
		strings.Replace(aks, "our-group", "Our.group_(1)", 1):     identity.Azure,
		strings.Replace(eks, "arn:aws:", "arn:aws-us-gov:", 1):    identity.AWS,
		strings.Replace(gke, "europe-west1", "europe-west1-b", 1): identity.GCP,
	} {
		if err := identity.CheckCluster(p, name); err != nil {
			t.Error(err)
		}
	}
	for name, p := range map[string]identity.Provider{
		"": identity.AWS, "edge": identity.AWS, aks: identity.AWS, eks + "/x": identity.AWS, eks + "\n": identity.AWS,
		strings.Replace(eks, "eu-west-1", "evil.test#", 1): identity.AWS, strings.Replace(eks, "edge", "..", 1): identity.AWS,
		aks + "/x": identity.Azure, strings.Replace(aks, "our-group", "..", 1): identity.Azure, eks: identity.Azure,
		strings.Replace(aks, "our-group", "a/../b", 1): identity.Azure, aks + "?x": identity.Azure,
		gke + "/x": identity.GCP, strings.Replace(gke, "my-project", "..", 1): identity.GCP, gke + "?x": identity.GCP, "x/" + gke: identity.GCP,
		strings.Replace(gke, "edge", "..", 1): identity.GCP,
		"x":                                   "generic",
	} {
		err := identity.CheckCluster(p, name)
		if !errors.Is(err, identity.ErrConfig) {
			t.Errorf("%s %q: %v", p, name, err)
		}
	}
}

func TestClustersThatAreNotThere(t *testing.T) {
	w := newClusters(t)
	w.account(identity.AWS, map[string]string{"eks.amazonaws.com/role-arn": role})
	for want, test := range map[string]struct {
		provider identity.Provider
		cluster  string
		kind     error
	}{
		"describe the EKS cluster " + eks + "-2: refused: eks.eu-west-1.amazonaws.com answered 404 Not Found: ResourceNotFoundException: No cluster found for name: edge-2.": {identity.AWS, eks + "-2", identity.ErrRefused},
		"describe the AKS cluster " + aks + "2: refused: management.azure.com answered 404 Not Found: ResourceNotFound: The Resource '" + aks + "2' was not found":           {identity.Azure, aks + "2", identity.ErrRefused},
		"describe the GKE cluster " + gke + "2: refused: container.googleapis.com answered 404 Not Found: NOT_FOUND: Not found: " + gke + "2.":                               {identity.GCP, gke + "2", identity.ErrRefused},
		"invalid configuration: the AKS cluster " + aks + "-local has no integration with Microsoft Entra ID":                                                                {identity.Azure, aks + "-local", identity.ErrConfig},
	} {
		_, err := w.Endpoints(t.Context(), identity.Request{Provider: test.provider}, test.cluster)
		if !errors.Is(err, test.kind) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	w.fake.Handle("container.googleapis.com", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(`{"status":"PROVISIONING"}`)) })
	if _, err := w.Endpoints(t.Context(), identity.Request{Provider: identity.GCP}, gke); err == nil || !strings.Contains(err.Error(), "it has no API server yet") {
		t.Errorf("got %v", err)
	}
}
