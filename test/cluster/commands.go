package main

import (
	"os"
	_ "time/tzdata" // CronJobs may name a time zone

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's ways to log in
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"github.com/fluxd/fluxd/test/cluster/nodes"
)

// commands maps a name to the function that runs it on os.Args and returns
// the exit code. Only the one asked for is constructed: the Kubernetes
// commands register flags and feature gates in process-wide tables.
var commands = map[string]func() int{
	"etcd":                    runEtcd,
	"kube-apiserver":          cobraCommand(apiserver.NewAPIServerCommand),
	"kube-controller-manager": cobraCommand(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          runScheduler,
	"kubectl":                 runKubectl,
	"nodes":                   func() int { return nodes.Main(os.Args[1:]) },
}

// cobraCommand defers construction until the command is the chosen one.
func cobraCommand(construct func() *cobra.Command) func() int {
	return func() int { return cli.Run(construct()) }
}

func runScheduler() int { return cli.Run(scheduler.NewSchedulerCommand()) }

func runEtcd() int {
	etcdmain.Main(os.Args)
	return 0
}

// runKubectl sets the verbosity before the command exists, because kubectl
// already logs while it reads the user's preferences and looks for plugins.
func runKubectl() int {
	_, _ = logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) // a bad level is reported by the flag parser
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // prints and exits
		return 1
	}
	return 0
}
