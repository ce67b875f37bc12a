package clusters

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/identity/identitytest"
)

// The clusters of three clouds, all of which are one plane.
const (
	eks = "arn:aws:eks:eu-west-1:123456789012:cluster/edge"
	aks = "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/edge"
	gke = "projects/my-project/locations/europe-west1/clusters/edge"
)

// sky is a world with clouds above it.
type sky struct {
	*world
	fake  *identitytest.Clouds
	there *plane
	at    identitytest.Plane
}

func newSky(t *testing.T, change ...func(*Config)) *sky {
	s := &sky{fake: identitytest.New(t), there: &plane{objects: map[string]map[string]any{}}}
	s.there.Server = httptest.NewTLSServer(s.there)
	t.Cleanup(s.there.Server.Close)
	s.at = identitytest.Plane{Address: s.there.URL, CA: authorityOf(s.there.Server)}
	for _, name := range []string{eks, aks, gke} {
		s.fake.Build(name, s.at)
	}
	s.fake.Annotations["apps/tenant"] = map[string]string{
		"eks.amazonaws.com/role-arn":        "arn:aws:iam::123456789012:role/deployer",
		"azure.workload.identity/tenant-id": "tenant", "azure.workload.identity/client-id": "client",
		"gcp.auth.fluxcd.io/workload-identity-provider": "projects/1/locations/global/workloadIdentityPools/a/providers/b",
	}
	s.world = newWorld(t, append([]func(*Config){func(cfg *Config) {
		cfg.ObjectLevel = true
		cfg.Clouds = identity.New(identity.Options{
			Accounts: s.fake, ObjectLevel: true, CacheSize: 100, Transport: s.fake.Transport,
			Env: func(string) string { return "" },
		})
	}}, change...)...)
	return s
}

func authorityOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// leads makes a ConfigMap of pairs of key and value, and returns the reference to it.
func (s *sky) leads(pairs ...string) Identity {
	data := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		data[pair[0]] = pair[1]
	}
	s.vault.mu.Lock()
	defer s.vault.mu.Unlock()
	s.vault.configMaps["apps/there"] = data
	return Identity{KubeConfig: &api.KubeConfigReference{ConfigMapRef: &api.LocalObjectReference{Name: "there"}}}
}

// callers returns whom the cloud says that the writes to the cluster are of.
func (s *sky) callers(cluster string) []string {
	s.t.Helper()
	var found []string
	for _, write := range s.there.writes() {
		token := strings.TrimSuffix(strings.TrimPrefix(write, "Bearer "), " PATCH")
		who, err := s.fake.Caller(cluster, token)
		if err != nil {
			s.t.Errorf("the token is no good: %v", err)
		}
		found = append(found, who)
	}
	return found
}

// The cluster is found by its name, and knows whoever comes.
func TestClustersOfClouds(t *testing.T) {
	for name, c := range map[string]struct{ provider, cluster, tenant, process string }{
		"EKS": {"aws", eks, "arn:aws:iam::123456789012:role/deployer by cluster token of apps/tenant for sts.amazonaws.com", "node-role"},
		"AKS": {"azure", aks, "application tenant/client", "managed identity "},
		"GKE": {"gcp", gke, "federated cluster token of apps/tenant for //iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b", "machine account"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSky(t)
			s.must(owner("a"), s.leads("provider", c.provider, "cluster", c.cluster, "serviceAccountName", "tenant"))
			equal(t, "callers", []string{c.tenant}, s.callers(c.cluster))
			s.must(owner("b"), s.leads("provider", c.provider, "cluster", c.cluster))
			equal(t, "callers", []string{c.process}, s.callers(c.cluster))
			s.must(owner("c"), s.leads("provider", c.provider, "cluster", c.cluster, "address", strings.ToUpper(s.at.Address)[len("https://"):]))
			equal(t, "callers", []string{c.process}, s.callers(c.cluster))
			equal(t, "clusters", 2, s.Stats().Clusters)
			equal(t, "writes here", []string(nil), s.local.writes())
		})
	}
}

// With address and certificates the cloud is not asked where the cluster is: an
// account may have no right to.
func TestAddressOfATenant(t *testing.T) {
	s := newSky(t)
	s.fake.Handle("eks.eu-west-1.amazonaws.com", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) })
	id := s.leads("provider", "aws", "cluster", eks, "serviceAccountName", "tenant", "address", s.at.Address, "ca.crt", string(s.at.CA))
	s.must(owner("a"), id)
	equal(t, "hosts", []string{"sts.eu-west-1.amazonaws.com"}, s.fake.Hosts())
}

// What the process may is sent nowhere but to where the cloud says that the cluster
// is.
func TestTheProcessIsNotLent(t *testing.T) {
	for provider, cluster := range map[string]string{"aws": eks, "azure": aks, "gcp": gke} {
		s := newSky(t)
		evil := newPlane(t)
		evil.Server = httptest.NewTLSServer(evil)
		t.Cleanup(evil.Server.Close)
		id := s.leads("provider", provider, "cluster", cluster, "address", evil.URL, "ca.crt", string(authorityOf(evil.Server)))
		if err := s.apply(owner("a"), id); !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), evil.URL) {
			t.Errorf("%s: got %v", provider, err)
		}
		equal(t, "requests to somebody else", 0, evil.requests())
		// Nor can certificates of a tenant vouch for another server at that address.
		id = s.leads("provider", provider, "cluster", cluster, "address", s.at.Address, "ca.crt", string(authorityOf(evil.Server)))
		s.must(owner("a"), id)
	}
}

// Whom a cloud refuses a token, sends nothing to its clusters; once it has one, it goes
// on at once.
func TestTokenIsRefused(t *testing.T) {
	s := newSky(t)
	s.fake.Handle("sts.eu-west-1.amazonaws.com", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) })
	id := s.leads("provider", "aws", "cluster", eks, "serviceAccountName", "tenant", "address", s.at.Address, "ca.crt", string(s.at.CA))
	err := s.apply(owner("a"), id)
	if !errors.Is(err, identity.ErrRefused) || !strings.Contains(err.Error(), "get a token for the cluster: ") {
		t.Errorf("got %v", err)
	}
	equal(t, "requests", 0, s.there.requests())
	s.fake.Handle("sts.eu-west-1.amazonaws.com", nil)
	s.must(owner("a"), id)
}

func TestMistakesAboutClouds(t *testing.T) {
	in := "KubeConfig configmap 'apps/there': "
	for want, c := range map[string]struct {
		data   []string
		change func(*Config)
	}{
		in + "cluster: invalid configuration: '' is not a cluster of the provider aws":                                                   {data: []string{"provider", "aws"}},
		in + "cluster: invalid configuration: '" + eks + "' is not a cluster of the provider gcp":                                        {data: []string{"provider", "gcp", "cluster", eks}},
		in + "address: it is not an https:// URL":                                                                                        {data: []string{"provider", "aws", "cluster", eks, "address", "http://a.test"}},
		in + "serviceAccountName: the ObjectLevelWorkloadIdentity feature gate is disabled":                                              {data: []string{"provider", "aws", "cluster", eks, "serviceAccountName", "tenant"}, change: func(c *Config) { c.ObjectLevel = false }},
		in + `serviceAccountName: "a:b" in namespace "apps": not the name of a service account`:                                          {data: []string{"provider", "aws", "cluster", eks, "serviceAccountName", "a:b"}},
		in + "failed to get service account 'apps/none': the service account does not exist":                                             {data: []string{"provider", "azure", "cluster", aks, "serviceAccountName", "none"}},
		in + "failed to get service account 'apps/common': the specified default service account does not exist in the object namespace": {data: []string{"provider", "azure", "cluster", aks}, change: func(c *Config) { c.DefaultKubeconfigAccount = "common" }},
		in + "describe the GKE cluster " + gke + "2: refused: container.googleapis.com answered 404":                                     {data: []string{"provider", "gcp", "cluster", gke + "2"}},
		in + "ca.crt: it is no certificate in PEM":                                                                                       {data: []string{"provider", "aws", "cluster", eks, "serviceAccountName", "tenant", "ca.crt", "swordfish"}},
		in + "invalid configuration: identities of clouds are not available":                                                             {data: []string{"provider", "aws", "cluster", eks}, change: func(c *Config) { c.Clouds = nil }},
		in + "invalid configuration: service account 'apps/bare': the annotation azure.workload.identity/tenant-id":                      {data: []string{"provider", "azure", "cluster", aks, "serviceAccountName", "bare"}},
	} {
		s := newSky(t, func(cfg *Config) {
			if c.change != nil {
				c.change(cfg)
			}
		})
		s.fake.Annotations["apps/bare"] = nil
		err := s.apply(owner("a"), s.leads(c.data...))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// A cloud that is silent is asked by one object at a time, and then left alone for a
// while; an answer counts at once.
func TestSilentCloud(t *testing.T) {
	s := newSky(t)
	now := time.Unix(1000, 0)
	s.asked.now = func() time.Time { return now }
	asking, proceed := make(chan struct{}), make(chan struct{})
	s.fake.Handle("container.googleapis.com", func(http.ResponseWriter, *http.Request) {
		asking <- struct{}{}
		<-proceed
		panic(http.ErrAbortHandler)
	})
	id := s.leads("provider", "gcp", "cluster", gke)
	first := make(chan error)
	go func() { first <- s.apply(owner("a"), id) }()
	<-asking
	for i := range 10 {
		if err := s.apply(owner(fmt.Sprint("b", i)), id); !errors.Is(err, ErrConnecting) {
			t.Fatalf("got %v", err)
		}
	}
	close(proceed)
	silence := <-first
	if silence == nil || errors.Is(silence, ErrConnecting) {
		t.Fatalf("got %v", silence)
	}
	now = now.Add(firstSilence - time.Second)
	if err := s.apply(owner("b"), id); err == nil || err.Error() != silence.Error() {
		t.Errorf("got %v", err)
	}
	now = now.Add(time.Second)
	s.fake.Handle("container.googleapis.com", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) })
	for range 2 {
		if err := s.apply(owner("b"), id); !errors.Is(err, identity.ErrRefused) {
			t.Errorf("got %v", err)
		}
	}
	s.fake.Handle("container.googleapis.com", nil)
	s.must(owner("b"), id)
}

func TestAskedIsBounded(t *testing.T) {
	a := newAsked()
	for i := range 3 * maxAsked {
		_, _ = a.ask(fmt.Sprint(i), func() ([]identity.Endpoint, error) { return nil, errors.New("silent") }) // which is the point
	}
	if len(a.asks) > maxAsked {
		t.Errorf("%d are remembered", len(a.asks))
	}
}

func TestAudiences(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil, "one": {"one"}, "one\n\n two \n": {"one", "two"}, "- one\n- https://two": {"one", "https://two"}, "[one, two]": {"one", "two"},
	} {
		equal(t, fmt.Sprintf("%q", text), want, audiencesOf(text))
	}
}
