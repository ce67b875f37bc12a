// Package kustomize builds a folder of an artifact as kustomize does.
//
//	tree ─▶ view ─▶ kustomization.yaml generated or edited ─▶ kustomize ─▶ documents
//
// [Builder.Build] runs kustomize on a read-only view of the tree. What it wants to
// write, the generated or edited kustomization.yaml and fetched remote files, lies
// in a small overlay in memory. Every look at the tree is noted in the trace of the
// build, misses too.
//
// A folder of manifests that has no kustomization file, and of which the spec changes
// nothing, is read without kustomize, whose time grows with the square of the objects.
//
// # The world outside
//
// kustomize would load remote references itself, over the default HTTP transport
// and with a git binary. It never gets there: the view looks at each kustomization
// file before kustomize does and refuses one with remote references. The build then
// ends, the references are fetched by a client of ours, outside of the lock and
// within limits, the file is rewritten to name the copies, and the build starts
// again. With NoRemoteBases nothing is fetched, ever.
//
// # The lock
//
// kustomize keeps schemas in global variables, so one build runs at a time in the
// process. Nothing slow happens under the lock. The built-in schema of Kubernetes,
// which only strategic merge patches need, is 4 MiB of heap and 30 ms of CPU: it is
// loaded by the first build that needs it, shared by the builds that follow, and
// released when no build has run for a while. A schema that an artifact brings along
// extends the built-in one and is gone when its build is over.
//
// # Limits
//
// Files and the sum of all files have a limit in bytes; YAML has one in nesting, and
// in nodes once its aliases are expanded. Whoever exceeds one is named in the error.
package kustomize
