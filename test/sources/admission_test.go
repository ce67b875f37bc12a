package sources

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness/world"
)

// What cannot be is refused by the API server, as with Flux, before anybody reconciles it.
func TestRefusedByTheAPIServer(t *testing.T) {
	w := newWorld(t)
	sts := func(provider, service, more string) string {
		return "provider: " + provider + "\nendpoint: e\nbucketName: b\nsts: {provider: " + service + ", endpoint: \"https://sts.test\"" + more + "}"
	}
	for name, tt := range map[string]struct{ kind, spec, want string }{
		"an scp address":                   {"GitRepository", "url: git@host:repo", "spec.url"},
		"an interval in days":              {"GitRepository", "url: https://host/x\ninterval: 1d", "spec.interval"},
		"a timeout in hours":               {"GitRepository", "url: https://host/x\ntimeout: 1h", "spec.timeout"},
		"an account without a cloud":       {"GitRepository", "url: https://host/x\nserviceAccountName: a", "serviceAccountName"},
		"a way to verify that is none":     {"GitRepository", "url: https://host/x\nverify: {mode: tail, secretRef: {name: a}}", "spec.verify.mode"},
		"a registry without its scheme":    {"OCIRepository", "url: https://host/x", "spec.url"},
		"an operation that is none":        {"OCIRepository", "url: oci://host/x\nlayerSelector: {operation: move}", "operation"},
		"charts over FTP":                  {"HelmRepository", "url: ftp://host/x", "spec.url"},
		"a chart of an image":              {"HelmChart", "chart: web\nsourceRef: {kind: OCIRepository, name: a}", "spec.sourceRef.kind"},
		"a verified chart from Git":        {"HelmChart", "chart: web\nsourceRef: {kind: GitRepository, name: a}\nverify: {provider: cosign}", "verify"},
		"a login at AWS with generic":      {"Bucket", sts("generic", "aws", ""), "'ldap' is the only"},
		"a directory with aws":             {"Bucket", sts("aws", "ldap", ""), "'aws' is the only"},
		"a token service with gcp":         {"Bucket", sts("gcp", "aws", ""), "STS"},
		"a login for the service of AWS":   {"Bucket", sts("aws", "aws", ", secretRef: {name: a}"), "secretRef"},
		"certificates for that of AWS":     {"Bucket", sts("aws", "aws", ", certSecretRef: {name: a}"), "certSecretRef"},
		"an account with generic":          {"Bucket", "endpoint: e\nbucketName: b\nserviceAccountName: a", "ServiceAccountName"},
		"an account and a Secret":          {"Bucket", "provider: aws\nendpoint: e\nbucketName: b\nserviceAccountName: a\nsecretRef: {name: a}", "serviceAccountName"},
		"a provider of buckets that is no": {"Bucket", "provider: ibm\nendpoint: e\nbucketName: b", "spec.provider"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := tt.spec
			if !strings.Contains(spec, "interval:") {
				spec += "\ninterval: 1m"
			}
			// Without the defaults that the test world gives.
			text := "apiVersion: source.toolkit.fluxcd.io/v1\nkind: " + tt.kind + "\nmetadata: {name: bad, namespace: NS}\nspec:\n  " +
				strings.ReplaceAll(spec, "\n", "\n  ") + "\n"
			_, err := w.Cluster.Create(t.Context(), w.Expand(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error about %s", err, tt.want)
			}
		})
	}
}

// What is left out is filled in by the API server.
func TestDefaults(t *testing.T) {
	w := newWorld(t)
	create := func(kind, spec string) {
		t.Helper()
		if _, err := w.Cluster.Create(t.Context(), w.Expand("apiVersion: source.toolkit.fluxcd.io/v1\nkind: "+kind+
			"\nmetadata: {name: a, namespace: NS}\nspec: {suspend: true, interval: 1m, "+spec+"}\n")); err != nil {
			t.Fatal(err)
		}
	}
	create("GitRepository", "url: 'https://host/x', verify: {secretRef: {name: a}}")
	create("OCIRepository", "url: 'oci://host/x', verify: {}")
	create("HelmChart", "chart: web, sourceRef: {kind: HelmRepository, name: a}")
	create("Bucket", "endpoint: e, bucketName: b")
	create("HelmRepository", "url: 'https://host/x'")
	git, oci := w.Get(api.GitRepositoryGVR, "a"), w.Get(api.OCIRepositoryGVR, "a")
	chart, bucket, charts := w.Get(api.HelmChartGVR, "a"), w.Get(api.BucketGVR, "a"), w.Get(api.HelmRepositoryGVR, "a")
	world.Equal(t, "GitRepository", "60s HEAD", world.Field(git, "spec", "timeout")+" "+world.Field(git, "spec", "verify", "mode"))
	world.Equal(t, "OCIRepository", "60s generic cosign",
		world.Field(oci, "spec", "timeout")+" "+world.Field(oci, "spec", "provider")+" "+world.Field(oci, "spec", "verify", "provider"))
	world.Equal(t, "HelmChart", "* ChartVersion", world.Field(chart, "spec", "version")+" "+world.Field(chart, "spec", "reconcileStrategy"))
	world.Equal(t, "Bucket", "60s generic", world.Field(bucket, "spec", "timeout")+" "+world.Field(bucket, "spec", "provider"))
	world.Equal(t, "HelmRepository", "", world.Field(charts, "spec", "timeout"))
}
