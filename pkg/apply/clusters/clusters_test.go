package clusters

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/kube"
)

func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got): %s", what, diff)
	}
}

// Who writes, to which cluster.
func TestWhoWrites(t *testing.T) {
	for name, c := range map[string]struct {
		account, fallback string
		remote            bool
		want              string
	}{
		"the process":               {"", "", false, "Bearer fluxd"},
		"an account":                {"tenant", "", false, "Bearer fluxdsystem:serviceaccount:apps:tenant"},
		"the default account":       {"", "nobody", false, "Bearer fluxdsystem:serviceaccount:apps:nobody"},
		"an account with a default": {"tenant", "nobody", false, "Bearer fluxdsystem:serviceaccount:apps:tenant"},
		"elsewhere":                 {"", "", true, "Bearer there"},
		"an account elsewhere":      {"tenant", "", true, "Bearer theresystem:serviceaccount:apps:tenant"},
		"the default elsewhere":     {"", "nobody", true, "Bearer theresystem:serviceaccount:apps:nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(cfg *Config) { cfg.DefaultAccount = c.fallback })
			there := newPlane(t)
			w.secret("there", there.kubeconfig("there"))
			id, target, other := Identity{Account: c.account}, w.local, there
			if c.remote {
				id.KubeConfig, target, other = at("there"), there, w.local
			}
			w.must(owner("a"), id)
			equal(t, "writes", []string{c.want + " PATCH"}, target.writes())
			equal(t, "writes to the other cluster", []string(nil), other.writes())
			w.must(owner("a"), id)
			equal(t, "writes of another pass", []string(nil), target.writes())
		})
	}
}

func TestNamesOfAccounts(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a:b", "system:admin", "a/b", "A", "a\nb"} {
		if _, err := w.For(t.Context(), owner("a"), Identity{Account: name}); !errors.Is(err, kube.ErrAccountName) {
			t.Errorf("%q: error %v", name, err)
		}
	}
	equal(t, "requests", 0, w.local.requests())
}

func TestAccountMissing(t *testing.T) {
	w := newWorld(t)
	w.vault.accounts["apps/tenant"] = true
	for account, want := range map[string]bool{"": false, "tenant": false, "other": true} {
		missing, err := w.AccountMissing(t.Context(), owner("a"), Identity{Account: account})
		if err != nil || missing != want {
			t.Errorf("%q: %v, error %v", account, missing, err)
		}
	}
	w.vault.broken = errors.New("the API server is away")
	if _, err := w.AccountMissing(t.Context(), owner("a"), Identity{Account: "tenant"}); !errors.Is(err, w.vault.broken) {
		t.Errorf("got %v", err)
	}
}

// Owners of one kubeconfig share a cluster; the last one that goes closes it.
func TestClustersAreSharedAndClosed(t *testing.T) {
	w := newWorld(t)
	there := newPlane(t)
	w.secret("there", there.kubeconfig("t"))
	w.secret("twin", there.kubeconfig("t"))
	w.must(owner("a"), Identity{KubeConfig: at("there")})
	w.must(owner("b"), Identity{KubeConfig: at("twin"), Account: "tenant"})
	equal(t, "clusters", 1, w.Stats().Clusters)
	w.Forget(owner("a"))
	w.Forget(owner("a")) // it may be said twice
	equal(t, "clusters", 1, w.Stats().Clusters)
	w.must(owner("b"), Identity{})
	equal(t, "clusters when nobody leads there", 0, w.Stats().Clusters)
	equal(t, "places", 1, len(w.places))
	w.Forget(owner("b"))
	equal(t, "places", 0, len(w.places)+len(w.wants)+len(w.Clusters.local.guests))
}

// A Secret that changes leads to another connection in the next pass.
func TestSecretChanges(t *testing.T) {
	w := newWorld(t)
	there := newPlane(t)
	id := Identity{KubeConfig: at("there")}
	w.secret("there", there.kubeconfig("old"))
	w.must(owner("a"), id)
	equal(t, "writes", []string{"Bearer old PATCH"}, there.writes())
	w.secret("there", there.kubeconfig("new"))
	w.must(owner("a"), id) // compares, and finds it as it should be
	equal(t, "clusters", 1, w.Stats().Clusters)
	a, err := w.For(t.Context(), owner("a"), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Prune(t.Context(), owner("a"), nil); err != nil {
		t.Error(err)
	}
	w.must(owner("b"), id)
	equal(t, "writes", []string{"Bearer new PATCH"}, there.writes())
}

func TestNumberOfClustersIsBounded(t *testing.T) {
	w := newWorld(t, func(cfg *Config) { cfg.Size = 2 })
	there := newPlane(t)
	for round := range 2 {
		for i := range 4 {
			name := fmt.Sprint("s", i)
			w.secret(name, there.kubeconfig(name))
			w.must(owner(name), Identity{KubeConfig: at(name)})
			if n := w.Stats().Clusters; n > 2 {
				t.Fatalf("%d clusters in round %d", n, round)
			}
		}
	}
	for i := range 4 {
		w.Forget(owner(fmt.Sprint("s", i)))
	}
	equal(t, "clusters", 0, w.Stats().Clusters)
}

// A cluster that is away costs its owners an error and nobody else anything.
func TestClusterThatIsAway(t *testing.T) {
	w := newWorld(t)
	there, elsewhere := newPlane(t), newPlane(t)
	w.secret("there", there.kubeconfig("t"))
	w.secret("elsewhere", elsewhere.kubeconfig("t"))
	there.fall(true)
	for i := range 10 {
		err := w.apply(owner(fmt.Sprint("a", i)), Identity{KubeConfig: at("there")})
		if _, ok := errors.AsType[*kube.UnreachableError](err); !ok {
			t.Fatalf("got %v", err)
		}
	}
	equal(t, "requests to it", 1, there.requests())
	w.must(owner("b"), Identity{KubeConfig: at("elsewhere")})
	w.must(owner("c"), Identity{})
	for i := range 10 {
		w.Forget(owner(fmt.Sprint("a", i)))
	}
	equal(t, "clusters", 1, w.Stats().Clusters)
}

// What one cluster answers changes nothing of what is known of another.
func TestClustersKeepTheirRecords(t *testing.T) {
	w := newWorld(t)
	there := newPlane(t)
	w.secret("there", there.kubeconfig("t"))
	w.must(owner("a"), Identity{})
	w.local.writes()
	w.must(owner("a"), Identity{KubeConfig: at("there")})
	equal(t, "writes there", []string{"Bearer t PATCH"}, there.writes())
	w.must(owner("b"), Identity{})
	equal(t, "writes here", []string{"Bearer fluxd PATCH"}, w.local.writes())
}

func TestErrorsNameTheSecretOnly(t *testing.T) {
	w := newWorld(t)
	w.vault.secrets["apps/empty"] = map[string][]byte{}
	w.vault.secrets["apps/other"] = map[string][]byte{"mine": []byte("swordfish: [")}
	w.secret("exec", `{apiVersion: v1, kind: Config, current-context: it, contexts: [{name: it, context: {cluster: it, user: it}}],
clusters: [{name: it, cluster: {server: "https://a.test"}}], users: [{name: it, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: swordfish, interactiveMode: Never}}}]}`)
	ref := func(name, key string) Identity {
		r := at(name)
		r.SecretRef.Key = key
		return Identity{KubeConfig: r}
	}
	for want, id := range map[string]Identity{
		`unable to read KubeConfig secret 'apps/none' error: secrets "none" not found`:                                             ref("none", ""),
		`KubeConfig secret 'apps/empty' does not contain a 'value' key with a kubeconfig`:                                          ref("empty", ""),
		`KubeConfig secret 'apps/empty' does not contain a 'mine' key with a kubeconfig`:                                           ref("empty", "mine"),
		`KubeConfig secret 'apps/other': invalid kubeconfig: it is not well-formed YAML of the kind Config`:                        ref("other", "mine"),
		`KubeConfig secret 'apps/exec': invalid kubeconfig: the user has no credentials but exec, which is refused: fluxd runs no`: ref("exec", ""),
	} {
		_, err := w.For(t.Context(), owner("a"), id)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestValueYAML(t *testing.T) {
	w := newWorld(t)
	there := newPlane(t)
	w.vault.secrets["apps/there"] = map[string][]byte{"value.yaml": []byte(there.kubeconfig("t"))}
	w.must(owner("a"), Identity{KubeConfig: at("there")})
	equal(t, "writes", []string{"Bearer t PATCH"}, there.writes())
}

// Another identity starts from nothing, and the one before is let go.
func TestIdentityChanges(t *testing.T) {
	w := newWorld(t)
	for _, account := range []string{"", "tenant", "other"} {
		w.must(owner("a"), Identity{Account: account})
		equal(t, "guests", 1, len(w.Clusters.local.guests))
		a, err := w.For(t.Context(), owner("a"), Identity{Account: account})
		if err != nil || a != w.Clusters.local.as(w.places[owner("a")].user) {
			t.Errorf("%q: another applier, error %v", account, err)
		}
	}
	equal(t, "writes", []string{"Bearer fluxd PATCH"}, w.local.writes()) // the others find it as it should be
}

// The connections are the same as long as an owner acts as the same identity.
func TestClients(t *testing.T) {
	w := newWorld(t)
	if w.Clients(owner("a")) != nil {
		t.Error("an owner that has no place has connections")
	}
	w.must(owner("a"), Identity{})
	process := w.Clients(owner("a"))
	w.must(owner("a"), Identity{Account: "tenant"})
	tenant := w.Clients(owner("a"))
	w.must(owner("a"), Identity{Account: "tenant"})
	if process == nil || tenant == process || w.Clients(owner("a")) != tenant {
		t.Errorf("as the process %p, as a tenant %p, again %p", process, tenant, w.Clients(owner("a")))
	}
}
