package clients

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// A folder is built and compared with the cluster as fluxd would apply it.
func TestBuildAndDiff(t *testing.T) {
	content := files{
		"config.yaml": configMap("config", "${region}"),
		"secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: secret, namespace: NS}\nstringData: {key: hidden}\n",
		"web.yaml":    deployment("web"),
	}
	w := newFluxWorld(t, prefixed("app/", content))
	w.git("repo")
	w.kustomization("app", "repo", "./app", "postBuild: {substitute: {region: north}}", "commonMetadata: {labels: {team: edge}}", "wait: true")
	w.Wait(kustomizations, "app", ready)

	same := w.folder(content)
	says(t, w.flux("build", "kustomization", "app", "--path="+same), "key: north", "kustomize.toolkit.fluxcd.io/name: app", "kustomize.toolkit.fluxcd.io/namespace: "+w.Namespace, "team: edge")
	world.Equal(t, "difference to what is applied", "", w.flux("diff", "kustomization", "app", "--path="+same, "--progress-bar=false"))

	changed := files{"config.yaml": configMap("config", "south"), "web.yaml": content["web.yaml"], "more.yaml": configMap("more", "1")}
	out, code := w.diff("app", w.folder(changed))
	world.Equal(t, "exit code", 1, code)
	says(t, out, "► ConfigMap/"+w.Namespace+"/config drifted", "data.key", "- north", "+ south")
	says(t, out, "► ConfigMap/"+w.Namespace+"/more created")
	says(t, out, "► Secret/"+w.Namespace+"/secret deleted")
	lacks(t, out, "Deployment/", "hidden")

	says(t, w.refused("diff", "kustomization", "app", "--path=/none"), "✗ invalid resource path")
	// Nothing was changed by looking.
	world.Equal(t, "value", "north", world.Field(w.Get(harness.ConfigMaps, "config"), "data", "key"))
}

// diff compares a folder with a Kustomization and returns what was printed and the exit
// code.
func (w clients) diff(name, folder string) (string, int) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), patience)
	defer cancel()
	out, err := w.try(ctx, "diff", "kustomization", name, "--path="+folder, "--progress-bar=false")
	exit := &exec.ExitError{}
	if errors.As(err, &exit) {
		return out, exit.ExitCode()
	}
	if err != nil {
		w.T.Fatal(err)
	}
	return out, 0
}

func prefixed(prefix string, content files) files {
	out := files{}
	for name, text := range content {
		out[prefix+name] = text
	}
	return out
}

// What the command line makes of variables is what fluxd makes of them.
func TestEnvsubst(t *testing.T) {
	const text = "${region} ${size:=small} ${name:-web}-${region^^} $${region} $region ${other:+x}"
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", text)})
	w.git("repo")
	w.kustomization("app", "repo", "./app", "postBuild: {substitute: {region: north}}")
	w.Wait(kustomizations, "app", ready)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := w.command(ctx, "envsubst")
	cmd.Stdin = strings.NewReader(text)
	cmd.Env = append(cmd.Env, "region=north")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	world.Equal(t, "text", strings.TrimSpace(string(out)), strings.TrimSpace(world.Field(w.Get(harness.ConfigMaps, "config"), "data", "key")))
}
