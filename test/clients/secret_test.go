package clients

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// Secrets that the command line makes are those that fluxd reads.
func TestSecretGit(t *testing.T) {
	w := newFluxWorld(t, nil)
	root := t.TempDir()
	repo, err := gittest.NewRepo(t.Context(), root, "repo")
	if err == nil {
		_, err = repo.Commit(t.Context(), "main", "change", w.expanded(files{"config.yaml": configMap("config", "1")}))
	}
	if err != nil {
		t.Fatal(err)
	}
	server, err := gittest.Serve(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	server.RequireAuth(user, password)
	says(t, w.flux("create", "secret", "git", "login", "--url="+server.RepoURL(repo), "--username="+user, "--password="+password), "► git secret 'login' created in '"+w.Namespace+"' namespace")
	says(t, w.flux("create", "source", "git", "repo", "--url="+server.RepoURL(repo), "--branch=main", "--secret-ref=login", "--interval=10m"), "✔ fetched revision: main@sha1:")

	says(t, w.flux("export", "source", "git", "repo", "--with-credentials"), "kind: GitRepository", "password: ", "kind: Secret", "name: login")
	lacks(t, w.flux("export", "source", "git", "repo"), "kind: Secret")

	// With SSH, the command line reads the key of the host by itself.
	ssh, err := gittest.ServeSSH(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ssh.Close() })
	file := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(file, ssh.Identity, 0o600); err != nil {
		t.Fatal(err)
	}
	w.flux("create", "secret", "git", "ssh", "--url="+ssh.RepoURL(repo), "--private-key-file="+file)
	says(t, w.flux("create", "source", "git", "ssh", "--url="+ssh.RepoURL(repo), "--branch=main", "--secret-ref=ssh", "--interval=10m"), "✔ fetched revision: main@sha1:")
}

func TestSecretOCI(t *testing.T) {
	w := newFluxWorld(t, nil)
	registry, err := upstream.StartRegistry(t.Context(), upstream.RegistryOptions{Security: upstream.Security{TLS: true}, Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	artifact, err := upstream.FluxArtifact(w.expanded(files{"config.yaml": configMap("config", "1")}), nil)
	if err == nil {
		_, err = registry.Push(t.Context(), "app", "v1", artifact)
	}
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(authority, registry.Authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	w.flux("create", "secret", "oci", "login", "--url="+registry.Host(), "--username="+user, "--password="+password)
	w.flux("create", "secret", "tls", "trust", "--ca-crt-file="+authority)
	says(t, w.flux("create", "source", "oci", "app", "--url=oci://"+registry.Host()+"/app", "--tag=v1", "--secret-ref=login", "--cert-ref=trust", "--interval=10m"),
		"✔ fetched revision: v1@sha256:")
}

func TestSecretHelm(t *testing.T) {
	w := newFluxWorld(t, nil)
	index, err := upstream.StartHelmIndex(upstream.HelmIndexOptions{Username: user, Password: password})
	if err == nil {
		err = index.Publish(web("1.0.0"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	w.flux("create", "secret", "helm", "login", "--username="+user, "--password="+password)
	says(t, w.flux("create", "source", "helm", "charts", "--url="+index.URL, "--secret-ref=login", "--interval=10m"), "✔ fetched revision: sha256:")
}

// The command line makes the Secret of a Bucket by itself.
func TestSecretBucket(t *testing.T) {
	w := newFluxWorld(t, nil)
	w.bucket(files{"config.yaml": configMap("config", "1")})
	says(t, w.flux("create", "source", "bucket", "app", "--bucket-name="+w.Namespace, "--endpoint="+s3.Host(), "--insecure",
		"--access-key="+user, "--secret-key="+password, "--interval=10m"), "✔ fetched revision: sha256:")
	secret := w.Get(world.Secrets, "bucket-app")
	key, _ := base64.StdEncoding.DecodeString(world.Field(secret, "data", "accesskey"))
	world.Equal(t, "key", user, string(key))
	w.flux("create", "ks", "app", "--source=Bucket/app", "--path=./", "--prune", "--interval=10m")
	w.Wait(harness.ConfigMaps, "config", data("1"))
	says(t, w.flux("reconcile", "ks", "app", "--with-source"), "✔ Bucket annotated", "✔ fetched revision sha256:", "✔ applied revision sha256:")
}

func TestSecretProxy(t *testing.T) {
	w := newFluxWorld(t, files{"config.yaml": configMap("config", "1")})
	proxy, err := upstream.StartProxy(upstream.ProxyOptions{Username: user, Password: password, Hosts: map[string]string{"git.fluxd.test": strings.TrimPrefix(gits.URL, "http://")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	w.flux("create", "secret", "proxy", "proxy", "--address="+proxy.URL, "--username="+user, "--password="+password)
	says(t, w.flux("create", "source", "git", "repo", "--url=http://git.fluxd.test/"+w.repo.Name, "--branch=main", "--proxy-secret-ref=proxy", "--interval=10m"),
		"✔ fetched revision: main@sha1:")
	if len(proxy.Requests()) == 0 {
		t.Error("nothing went through the proxy")
	}
}

// A tenant is a namespace with an account that fluxd applies as.
func TestTenant(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "1"), "bad/space.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-other}\n"})
	says(t, w.flux("create", "tenant", "edge", "--with-namespace="+w.Namespace, "--cluster-role=admin"), "✔ tenant setup completed")
	w.git("repo")
	says(t, w.flux("create", "ks", "app", "--source=GitRepository/repo", "--path=./app", "--prune", "--interval=10m", "--service-account=edge"), "✔ Kustomization app is ready")
	w.Wait(harness.ConfigMaps, "config", data("1"))
	w.kustomization("bad", "repo", "./bad", "serviceAccountName: edge")
	w.Wait(kustomizations, "bad", world.Has("Ready", "False/ReconciliationFailed"))
	says(t, w.flux("get", "ks", "bad"), "bad", "False", "forbidden")
}

// The other Secrets have the keys that fluxd reads.
func TestSecretKeys(t *testing.T) {
	w := newFluxWorld(t, nil)
	dir := w.folder(files{"key.pem": "a key", "policy.json": `{"version":"1.0","trustPolicies":[{"name":"all","registryScopes":["*"],"signatureVerification":{"level":"skip"}}]}`, "ca.crt": "a certificate"})
	app := w.flux("create", "secret", "githubapp", "app", "--app-id=1", "--app-installation-id=2", "--app-private-key="+filepath.Join(dir, "key.pem"), "--export")
	for _, key := range []string{"githubAppID", "githubAppInstallationID", "githubAppPrivateKey"} {
		says(t, app, key+": ")
	}
	notation := w.flux("create", "secret", "notation", "trust", "--trust-policy-file="+filepath.Join(dir, "policy.json"), "--ca-cert-file="+filepath.Join(dir, "ca.crt"), "--export")
	for _, key := range []string{"trustpolicy.json", "ca.crt"} {
		says(t, notation, key+": ")
	}
}
