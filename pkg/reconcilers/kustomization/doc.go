// Package kustomization makes the cluster match the manifests of an artifact.
//
// Reads: the Kustomization, its source, the objects that it depends on, the Secrets
// and ConfigMaps with its variables and keys, and the objects that it applied or
// checks the health of, through their live records.
//
// What spec.kubeConfig names is read as the process. All requests about applied
// objects are those of whoever applies, see package clusters.
//
// Does, in this order: finds the artifact, waits for dependencies, finds out who
// applies, builds, which includes to decrypt and to substitute variables, plans, saves
// the inventory ahead of the first write, applies stage by stage, prunes, and checks
// health. A step that has to wait ends the run; what it waits for wakes the object, and
// the next run finds what is done unchanged and goes on behind it. So there is nothing
// to keep between two runs but the status.
//
// An edit of an applied object wakes the object as well. The build is
// remembered and everything but the edited object is as it was left, so the run
// sends that object alone.
//
// # Dependencies of every kind
//
// Beside spec.dependsOn, which names Kustomizations, the annotation
// fluxd.io/depends-on lists objects of any kind that must be there and ready first, as
// kubectl names them, between commas, blanks or lines:
//
//	fluxd.io/depends-on: |
//	  CustomResourceDefinition.apiextensions.k8s.io/widgets.example.com
//	  Deployment.apps/backend/api
//	  HelmRelease.helm.toolkit.fluxcd.io/database
//	  Secret/backend/token
//
// Without a namespace the object is in that of the Kustomization, or in none if its kind
// has none. Ready is what health checks call Current. An object that is missing wakes
// the Kustomization when it appears, and so does a kind. At most 16 are accepted; each
// that no Kustomization applies costs a watch of that one object. Where references
// across namespaces are forbidden, these are too.
//
// Definitions and their objects need none of this inside of one Kustomization: the
// definitions are applied first, and the rest waits until they are established.
//
// # What is not deleted
//
// The annotation fluxd.io/prune-budget, or else the flag --prune-budget, says how many
// objects one revision may delete: a count, or a share of all objects, old and new, in
// percent. A revision that would delete more is applied and deletes nothing: Ready is
// False with the reason PruneBudgetExceeded and names the objects, which stay in the
// inventory. The annotation fluxd.io/approve-prune with that revision as its value lets
// it go on, at once. What is gone, protected, or somebody else's by now does not count.
// Deleting the Kustomization itself is no matter of a revision, and has no budget.
//
// Deleted under no budget at all are the Deployment, ServiceAccount and RBAC objects
// named fluxd or fluxd-*, and the Namespace, that fluxd runs in, and the definitions of
// its kinds, with which every object of them would go. They are held with the reason
// PruneSelfRefused, and left behind when the Kustomization is deleted, unless that
// carries the annotation fluxd.io/prune-self: enabled.
//
// Leaves behind: the applied objects with their two ownership labels, the
// inventory, history and revisions in the status, and the condition Healthy
// where health is checked. Deleting the object deletes what it applied, as
// spec.deletionPolicy says; if the service account that may delete them is gone, they
// stay and an event names them.
//
// Stalls on: a reference across namespaces where these are forbidden, an expression
// or an annotation that cannot be read, a name that is longer than a label, and on
// fields that are not supported. What it cannot honour it refuses whole.
package kustomization
