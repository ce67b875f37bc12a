package tenants

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/suite"
	"github.com/fluxd/fluxd/test/harness/world"
)

// keyGroups is a Secret that is encrypted for a key service.
const keyGroups = `apiVersion: v1
kind: Secret
metadata: {name: encrypted, namespace: mallory}
stringData: {word: "ENC[AES256_GCM,data:aaaa,iv:aaaa,tag:aaaa,type:str]"}
sops:
  kms: [{arn: "arn:aws:kms:eu-west-1:123456789012:key/abc", enc: Y2lwaGVy, created_at: "2026-01-01T00:00:00Z"}]
  lastmodified: "2026-01-01T00:00:00Z"
  mac: "ENC[AES256_GCM,data:aaaa,iv:aaaa,tag:aaaa,type:str]"
  version: 3.9.0
`

// Where identities of ServiceAccounts are in use, tenants are locked into those of their
// namespace for clouds, key services and other clusters, too: who names none is the
// default one, and never the process.
func TestIdentities(t *testing.T) {
	label := "{" + suite.OwnLabel + ": identities}"
	daemon, err := shared.Start("--watch-label-selector="+suite.OwnLabel+"=identities", "--api-addr=",
		"--feature-gates=ObjectLevelWorkloadIdentity=true", "--default-decryption-service-account=default", "--default-kubeconfig-service-account=default")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), world.Patience)
		defer cancel()
		if err := daemon.Stop(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(strings.Join(daemon.Logs(), "\n"))
		}
	})
	w := attacker(t)
	w.Labels = label
	tokens := make(chan string, 100)
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		tokens <- r.Header.Get("Authorization")
		http.NotFound(rw, r)
	}))
	t.Cleanup(elsewhere.Close)
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: elsewhere.Certificate().Raw}))
	_, err = w.Cluster.Create(t.Context(), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: elsewhere, namespace: mallory}\ndata:\n  provider: generic\n  address: "+
		elsewhere.URL+"\n  ca.crt: |\n    "+strings.ReplaceAll(strings.TrimSpace(authority), "\n", "\n    ")+"\n")
	if err != nil {
		t.Fatal(err)
	}
	makeRepoOf(t, "identities", files{"plain/a.yaml": mine("a"), "encrypted/a.yaml": keyGroups})
	for _, one := range []struct{ kind, name, spec, says string }{
		{gitRepository, "identities", "url: " + open.URL + "/identities.git\nref: {branch: main}", ""},
		{gitRepository, "identities-azure", "url: https://dev.azure.com/a/b/_git/c\nprovider: azure", "service account 'mallory/default': the annotation azure.workload.identity/tenant-id"},
		{ociRepository, "identities-aws", "url: oci://123456789012.dkr.ecr.eu-west-1.amazonaws.com/r\nprovider: aws", "service account 'mallory/default': invalid eks.amazonaws.com/role-arn annotation"},
		{bucketKind, "identities-aws", "endpoint: s3.amazonaws.com\nprovider: aws\nregion: eu-west-1\nbucketName: apps", "service account 'mallory/default': invalid eks.amazonaws.com/role-arn annotation"},
		{ociRepository, "identities-foreign", "url: oci://123456789012.dkr.ecr.eu-west-1.amazonaws.com/r\nprovider: aws\nserviceAccountName: ../victim/deployer", "mallory/../victim/deployer"},
		{kustomization, "identities-key", "path: ./encrypted\nprune: true\nsourceRef: {kind: GitRepository, name: identities}\ndecryption: {provider: sops}", "service account 'mallory/default': invalid eks.amazonaws.com/role-arn annotation"},
		{kustomization, "identities-cluster", "path: ./plain\nprune: true\nsourceRef: {kind: GitRepository, name: identities}\nkubeConfig: {configMapRef: {name: elsewhere}}", "could not find the requested resource"},
	} {
		gvr := resourceOf(one.kind)
		w.Create(w.Manifest(gvr.GroupVersion().String(), one.kind, one.name, one.spec))
		w.Wait(gvr, one.name, func(obj *unstructured.Unstructured) bool {
			short, message := world.Condition(obj, api.ConditionReady)
			return one.says == "" && harness.Ready(obj) || one.says != "" && strings.HasPrefix(short, "False/") && strings.Contains(message, one.says)
		})
	}
	who, audience := claims(t, <-tokens)
	if who != "system:serviceaccount:mallory:default" || audience != elsewhere.URL {
		t.Errorf("another cluster was shown a token of %s for %s", who, audience)
	}
}

// claims returns whose a bearer token of the cluster is, and whom it is for.
func claims(t *testing.T, header string) (who, audience string) {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(header, "Bearer "), ".")
	if len(parts) != 3 {
		t.Fatalf("there is no token in %q", header)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Sub string
		Aud []string
	}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c.Sub, strings.Join(c.Aud, ",")
}
