// Command fluxd-test-cluster is a Kubernetes control plane in one program.
// The first argument, or the name the program is called by, selects the
// command: etcd, kube-apiserver, kube-controller-manager, kube-scheduler,
// kubectl, or nodes, which plays the part of the kubelets. All but the last
// are the published commands and take their published flags.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	name, args, ok := selectCommand(os.Args)
	if !ok {
		fmt.Fprintf(os.Stderr, "usage: %s COMMAND [flags], COMMAND being one of: %s\n",
			filepath.Base(os.Args[0]), strings.Join(names(), ", "))
		os.Exit(2)
	}
	// The commands read os.Args themselves, some of them before their flags
	// are parsed.
	os.Args = append([]string{name}, args...)
	os.Exit(commands[name]())
}

// selectCommand finds which command argv asks for and the arguments left for
// it. The name of the program counts first, so that a link called kubectl is
// kubectl whatever follows.
func selectCommand(argv []string) (name string, args []string, ok bool) {
	if len(argv) == 0 {
		return "", nil, false
	}
	if name = filepath.Base(argv[0]); commands[name] != nil {
		return name, argv[1:], true
	}
	if len(argv) > 1 && commands[argv[1]] != nil {
		return argv[1], argv[2:], true
	}
	return "", nil, false
}

// names lists the commands in a stable order, for the usage line.
func names() []string {
	all := make([]string, 0, len(commands))
	for name := range commands {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
