package main

import (
	"context"
	"fmt"
	"slices"
)

// scenario is something to measure on a control plane of its own, in steps that follow
// upon each other. The later ones need what the first has made.
type scenario struct {
	name  string
	steps []step
	peers bool     // makes sense of the Flux controllers
	more  bool     // is measured if it is named only
	alone bool     // is about the API server, without anybody who reconciles
	flags []string // of fluxd
}

// step is a section of the page.
type step struct {
	name, title, about string
	run                func(context.Context, *bench) error
	unwanted           bool // is run for the sake of later ones
}

// one is a scenario of one step.
func one(name, title, about string, run func(context.Context, *bench) error) scenario {
	return scenario{name: name, steps: []step{{name: name, title: title, about: about, run: run}}}
}

// compared marks a scenario that the Flux controllers go through as well.
func (s scenario) compared() scenario {
	s.peers = true
	return s
}

// onDemand marks a scenario that is run if it is named only.
func (s scenario) onDemand() scenario {
	s.more = true
	return s
}

// bareServer marks a scenario without anybody who reconciles.
func (s scenario) bareServer() scenario {
	s.alone = true
	return s.onDemand()
}

// scenarios are what can be measured, in the order in which it is and is shown.
var scenarios = []scenario{
	one("idle", "Idle", "Nothing to do: an empty cluster, looked at for a minute.", idle).compared(),
	{name: "kustomizations", peers: true, steps: []step{
		{name: "install", title: "Install", run: install,
			about: "100 Kustomizations of 4 ConfigMaps, each from a GitRepository of its own, are created, until all are ready."},
		{name: "noop", title: "No-op", run: noop,
			about: "A reconcile of all 100 is asked for, with nothing changed, until all have answered."},
		{name: "upgrade", title: "Upgrade", run: upgrade,
			about: "A commit to each of the 100 repositories changes one of 4 objects. Their sources are asked to look, until all 100 Kustomizations have applied it."},
		{name: "restart", title: "Restart", run: restart,
			about: "The process is stopped and started with an empty volume, as a new Pod has it, until all 100 are ready and nothing more is asked of the API server."},
	}},
	one("steady", "Steady state", "100 Kustomizations of 4 ConfigMaps from one GitRepository, all with an interval of a minute: two minutes in which nothing happens.", steady).compared(),
	one("drift", "Drift", "Somebody edits an object of a Kustomization that has an interval of a minute, until it is as it was.", drift).compared(),
	one("chain", "Chain", "10 Kustomizations with a Deployment and wait: true, each of which depends on the one before.", chain).compared(),
	one("monorepo", "Monorepo commit", "A commit touches one of 200 Kustomizations of one GitRepository, until all 200 are at its revision.", monorepo).compared(),
	{name: "helm", peers: true, steps: []step{
		{name: "helm-install", title: "Helm install", run: helm,
			about: "50 HelmReleases of one chart with a Deployment, a Service, a ServiceAccount and an Ingress are created, until all are ready."},
		{name: "helm-noop", title: "Helm no-op", run: helmNoop,
			about: "A reconcile of all 50 is asked for, with nothing changed, until all have answered."},
		{name: "helm-upgrade", title: "Helm upgrade", run: helmUpgrade,
			about: "A new version of the chart changes the Deployment, until all 50 are upgraded and ready."},
		{name: "helm-restart", title: "Helm restart", run: helmRestart,
			about: "The process is stopped and started with an empty volume, until all 50 are ready and nothing more is asked of the API server."},
	}},
	one("edge", "A small node", "A day of 20 Kustomizations and 10 HelmReleases with the flags of the edge overlay, in a cgroup with its limit of 64 MiB: install, nothing new, two changes of everything, drift, nothing new.", edge).bareServer(),
	one("applications", "Applications", "Install with a ConfigMap, a ServiceAccount, a Service and a Deployment for each, which the controllers of Kubernetes act upon at the same time.", applications).compared().onDemand(),
	one("definitions", "Definitions", "A release of a chart that brings 100 definitions along, in a cluster that has 200 others.", manyDefinitions).compared().onDemand(),
	one("hooks", "Hooks", "A release while ten others wait for hooks that take a minute each.", hooks).compared().onDemand(),
	one("crowd", "Crowd", "A Kustomization from created to ready, alone and beside 20 that never get healthy.", crowd).onDemand(),
	one("builds", "Builds", "A build of 1,000 objects, in a process of its own, beside kustomize build.", builds).bareServer(),
	one("clones", "Clones", "8 repositories of 20 MiB, fetched at once in 128 MiB.", clones).onDemand(),
	one("artifacts", "Artifacts", "100 OCIRepositories of one artifact of 2 MiB.", artifacts).onDemand(),
	{name: "index", more: true, flags: []string{"--helm-index-max-size=67108864"}, steps: []step{
		{name: "index", title: "Index", run: index, about: "10 charts from an index of 60 MiB."}}},
	one("bucket", "Bucket", "A bucket of 5,000 small objects.", bucket).onDemand(),
	one("polling", "Polling", "1,000 sources of four kinds that are looked at every minute, with nothing new.", polling).onDemand(),
	one("yardstick", "Yardstick", "400 server-side applies by a bare client.", yardstick).bareServer(),
	one("bare", "Bare writes", "The writes of Install by a client that knows everything beforehand, which nobody can be faster than: the least, and with dry-runs, finalizers and inventories ahead to be safe.", bare).bareServer(),
}

// order are the names of all sections.
func order(all []scenario) []string {
	var names []string
	for _, s := range all {
		for _, step := range s.steps {
			names = append(names, step.name)
		}
	}
	return names
}

// choose returns the scenarios of which names has the name or that of a step, without
// the steps behind the last of these. No names stand for what compares, "all" for
// everything.
func choose(all []scenario, names []string) ([]scenario, error) {
	for _, name := range names {
		if name != "all" && !slices.ContainsFunc(all, func(s scenario) bool { return s.name == name }) && !slices.Contains(order(all), name) {
			return nil, fmt.Errorf("there is no scenario %q", name)
		}
	}
	var chosen []scenario
	for _, s := range all {
		if len(names) == 0 && !s.more || slices.Contains(names, "all") || slices.Contains(names, s.name) && len(s.steps) == 1 {
			chosen = append(chosen, s)
			continue
		}
		steps := slices.Clone(s.steps)
		last := 0
		for i := range steps {
			steps[i].unwanted = !slices.Contains(names, steps[i].name) && !slices.Contains(names, s.name)
			if !steps[i].unwanted {
				last = i + 1
			}
		}
		if last > 0 {
			// Between the first and a wanted one there are none that it needs.
			kept := slices.DeleteFunc(steps[1:last], func(s step) bool { return s.unwanted })
			s.steps = append(steps[:1], kept...)
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}
