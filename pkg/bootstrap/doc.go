// Package bootstrap makes a cluster one that comes from Git, fluxd included.
//
//	look ─▶ read the branch ─▶ plan files ─▶ build ─▶ push ─▶ secret, apply ─▶ wait
//	             ▲                                     │
//	             └────── somebody else pushed ─────────┘
//
// # The layout
//
// What lies in <path>/<namespace> of the repository is what `flux bootstrap` writes,
// and a folder beside it:
//
//	gotk-components.yaml     definitions, namespace, policies; or what flux wrote there
//	gotk-sync.yaml           the GitRepository and the Kustomization that read <path>
//	kustomization.yaml       lists both, and the component fluxd; the user's from then on
//	fluxd/                   a kustomize component: the account, the rights and the
//	                         Deployment of fluxd, and controllers of Flux scaled to zero
//
// So `flux bootstrap` and `fluxd bootstrap` can follow each other on the same path:
// what one has written the other leaves, a gotk-components.yaml with the controllers of
// Flux included. An existing kustomization.yaml keeps its patches, its order and its
// comments; all that is added is the component.
//
// # What is promised
//
//   - Before anything is written, the cluster is asked for its version, the rights of
//     the account and for other controllers, and the new files are built as the cluster
//     will build them. What does not build is not pushed.
//   - A push is never forced. If the branch has moved, it is read anew and the files are
//     planned anew. Nothing outside of <path>/<namespace> is touched.
//   - It may be run again at any time, and completes what was interrupted. If nothing
//     has changed, nothing is committed and nothing in the cluster is written.
//   - Two at once end with one result: the Secret belongs to whoever created it first,
//     and the other takes the key from there.
//   - A cluster that follows the branch already is left to do so: nothing is applied
//     from here that it would take for drift.
//   - What is applied carries the labels and the field manager of the Kustomization that
//     is to come, so its first reconcile has nothing to do.
package bootstrap
