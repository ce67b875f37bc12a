package tenants

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// The namespaces: of fluxd, of who is attacked, and of who attacks.
const (
	home    = "flux-system"
	victim  = "victim"
	mallory = "mallory"
)

const (
	// canary is what only the victim may see: it is in its Secrets, its ConfigMaps, its
	// values and its files.
	canary = "cr0wn-jewel-0f-the-v1ctim"
	// password is that of the victim's repository.
	password = "pa55-w0rd-0f-the-v1ctim"
)

type files = map[string]string

// tenant is who attacks: a user with the role admin in its namespace.
const tenant = "system:serviceaccount:" + mallory + ":tenant"

// team is a namespace with a service account "deployer" that has the role admin
// there, and one "tenant" of whoever uses kubectl.
const team = `
apiVersion: v1
kind: Namespace
metadata: {name: TEAM}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: TEAM}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant, namespace: TEAM}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: team, namespace: TEAM}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects:
  - {kind: ServiceAccount, name: deployer, namespace: TEAM}
  - {kind: ServiceAccount, name: tenant, namespace: TEAM}
`

// estate is what the victim has: a source of each kind, of which those that can be
// ready are, something that is applied and a release.
const estate = `
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: victim}
stringData: {username: victim, password: PASSWORD}
---
apiVersion: v1
kind: Secret
metadata: {name: treasure, namespace: victim}
stringData: {value: CANARY, username: CANARY, password: CANARY, identity: CANARY, age.agekey: CANARY, address: CANARY, ca.crt: CANARY}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: treasure, namespace: victim}
data: {values.yaml: "word: CANARY", provider: generic, address: CANARY}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: private, namespace: victim}
spec: {interval: 1h, url: URL, ref: {branch: main}, secretRef: {name: login}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: private, namespace: victim}
spec: {interval: 1h, suspend: true, url: oci://registry.invalid/private}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: Bucket
metadata: {name: private, namespace: victim}
spec: {interval: 1h, suspend: true, endpoint: store.invalid, bucketName: private}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: private, namespace: victim}
spec: {interval: 1h, suspend: true, url: https://charts.invalid}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: ExternalArtifact
metadata: {name: private, namespace: victim}
spec: {}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: victim}
spec:
  interval: 1h
  prune: true
  serviceAccountName: deployer
  path: ./app
  sourceRef: {kind: GitRepository, name: private}
  postBuild: {substitute: {word: CANARY}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: victim}
spec:
  interval: 1h
  serviceAccountName: deployer
  chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository, name: private}}}
  values: {word: CANARY}
`

// moveIn lets both teams have their namespaces, and the victim what it has.
func moveIn(ctx context.Context) error {
	c := shared.Cluster
	for _, name := range []string{victim, mallory} {
		if _, err := c.Create(ctx, strings.ReplaceAll(team, "TEAM", name)); err != nil {
			return err
		}
	}
	repo, err := gittest.NewRepo(ctx, guarded.Root, "private")
	if err != nil {
		return err
	}
	content := files{"app/crown.yaml": configMap(victim, "crown", canary), "values.yaml": "word: " + canary + "\n"}
	for name, text := range small("hello") {
		content["chart/"+name] = text
	}
	if _, err := repo.Commit(ctx, "main", "all that is dear", content); err != nil {
		return err
	}
	_, err = c.Create(ctx, strings.NewReplacer("CANARY", canary, "PASSWORD", password, "URL", guarded.RepoURL(repo)).Replace(estate))
	return err
}

func configMap(namespace, name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {key: %q}\n", name, namespace, value)
}

// small are the files of a chart with one ConfigMap, and those of more.
func small(word string, more ...string) files {
	content := files{
		"Chart.yaml":         "apiVersion: v2\nname: small\nversion: 1.0.0\n",
		"values.yaml":        "word: " + word + "\n",
		"templates/one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {word: '{{ .Values.word }}'}\n",
	}
	for i := 0; i+1 < len(more); i += 2 {
		content[more[i]] = more[i+1]
	}
	return content
}

// as returns the cluster as a user sees it.
func as(t *testing.T, user string) *harness.Cluster {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", shared.Cluster.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	config.Impersonate.UserName = user
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &harness.Cluster{ControlPlane: shared.Cluster.ControlPlane, Dynamic: client}
}

// admin is the world of somebody who may do everything, in a namespace.
func admin(t *testing.T, namespace string) *world.World {
	return &world.World{T: t, Cluster: shared.Cluster, Namespace: namespace, Labels: "{}"}
}

// attacker is the world of the tenant in its namespace.
func attacker(t *testing.T) *world.World {
	t.Helper()
	return &world.World{T: t, Cluster: as(t, tenant), Namespace: mallory, Labels: "{}"}
}

// trap is a server of the attacker's that does what a handler says and knows who came.
type trap struct {
	*httptest.Server
	seen chan string
}

func newTrap(t *testing.T, handler http.HandlerFunc) *trap {
	t.Helper()
	s := &trap{seen: make(chan string, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.seen <- r.Method + " " + r.URL.Path
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// offered is the status of an ExternalArtifact of some content at a URL, as a patch.
func offered(url string, content []byte) map[string]any {
	return artifactStatus(map[string]any{
		"digest": "sha256:" + upstream.Digest(content), "path": "offer.tar.gz", "url": url, "revision": "1@sha256-1", "size": len(content),
	})
}

func artifactStatus(artifact map[string]any) map[string]any {
	now := time.Now().UTC().Format(time.RFC3339)
	artifact["lastUpdateTime"] = now
	return map[string]any{"status": map[string]any{
		"artifact": artifact,
		"conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored", "lastTransitionTime": now,
		}},
	}}
}

// patchStatus merges a change into the status of an object, as the tenant.
func patchStatus(w *world.World, resource, name string, change map[string]any) {
	w.T.Helper()
	text, err := json.Marshal(change)
	if err != nil {
		w.T.Fatal(err)
	}
	if out, err := w.Cluster.Kubectl(w.T.Context(), "--as="+tenant, "-n", w.Namespace, "patch", resource, name,
		"--subresource=status", "--type=merge", "-p", string(text)); err != nil {
		w.T.Fatal(err, out)
	}
}
