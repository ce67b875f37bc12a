package controlplane

import (
	"bytes"
	"os"
	"testing"
)

func TestVersionIsTheModules(t *testing.T) {
	module, err := os.ReadFile("../cluster/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "k8s.io/kubernetes v" + version + "\n"; !bytes.Contains(module, []byte(want)) {
		t.Errorf("the program would say v%s, which is not the Kubernetes in go.mod", version)
	}
}
