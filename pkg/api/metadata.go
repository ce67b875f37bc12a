package api

// Finalizer holds an object back until what it made is cleaned up. All kinds share
// it, and the stock controllers use the same.
const Finalizer = "finalizers.fluxcd.io"

// Annotations by which people and tools ask for something. Any change of value is a
// new request.
const (
	// AnnotationReconcileRequest asks for a reconcile now. Its value comes back in
	// status.lastHandledReconcileAt.
	AnnotationReconcileRequest = "reconcile.fluxcd.io/requestedAt"

	// AnnotationForceRequest asks a HelmRelease for one install or upgrade even
	// if nothing changed. It counts only together with a reconcile request of the
	// same value.
	AnnotationForceRequest = "reconcile.fluxcd.io/forceAt"

	// AnnotationResetRequest asks a HelmRelease to forget its failures. It counts
	// only together with a reconcile request of the same value.
	AnnotationResetRequest = "reconcile.fluxcd.io/resetAt"
)

// Annotations of fluxd's own. A change of any of them runs the object that has it.
const (
	// AnnotationPrefix is how they begin.
	AnnotationPrefix = "fluxd.io/"

	// AnnotationPruneBudget, on a Kustomization, is how many objects one revision may
	// delete: a count, or a share of all as 20%.
	AnnotationPruneBudget = AnnotationPrefix + "prune-budget"

	// AnnotationApprovePrune names the one revision that may delete more than that.
	AnnotationApprovePrune = AnnotationPrefix + "approve-prune"

	// AnnotationPruneSelf, with the value [ValueEnabled], lets a Kustomization delete
	// what fluxd itself consists of.
	AnnotationPruneSelf = AnnotationPrefix + "prune-self"

	// AnnotationDependsOn, on a Kustomization, lists objects of any kind that have to
	// be ready first.
	AnnotationDependsOn = AnnotationPrefix + "depends-on"
)

// Labels that decide who reads what.
const (
	// LabelWatch, with the value [LabelWatchEnabled], on a Secret or ConfigMap:
	// a change wakes the objects that refer to it.
	LabelWatch        = "reconcile.fluxcd.io/watch"
	LabelWatchEnabled = "Enabled"

	// LabelShardingKey is the conventional key of --watch-label-selector.
	LabelShardingKey = "sharding.fluxcd.io/key"
)

// Labels by which an applied object tells its owner.
const (
	LabelKustomizationName      = KustomizeGroup + "/name"
	LabelKustomizationNamespace = KustomizeGroup + "/namespace"
	LabelHelmReleaseName        = HelmGroup + "/name"
	LabelHelmReleaseNamespace   = HelmGroup + "/namespace"
)

// Keys that, on an object in Git or in the cluster, change how a Kustomization
// treats it. Except for [KeyDecrypt], which must be an annotation, each may be a
// label or an annotation.
const (
	KeyReconcile  = KustomizeGroup + "/reconcile"
	KeySSA        = KustomizeGroup + "/ssa"
	KeyForce      = KustomizeGroup + "/force"
	KeyPrune      = KustomizeGroup + "/prune"
	KeySubstitute = KustomizeGroup + "/substitute"
	KeyDecrypt    = KustomizeGroup + "/decrypt"
)

// KeyDriftDetection, as label or annotation with the value [ValueDisabled], takes
// an object of a HelmRelease out of drift detection.
const KeyDriftDetection = HelmGroup + "/driftDetection"

// Values of the keys above.
const (
	ValueEnabled  = "enabled"
	ValueDisabled = "disabled"

	SSAOverride     = "Override"
	SSAMerge        = "Merge"
	SSAIfNotPresent = "IfNotPresent"
	SSAIgnore       = "Ignore"
)

// EventAnnotationPrefix marks annotations of an object that every event about it
// repeats.
const EventAnnotationPrefix = "event.toolkit.fluxcd.io/"

// Keys of the metadata that events carry, after the group of the object they are
// about and a slash: kustomize.toolkit.fluxcd.io/revision.
const (
	EventKeyRevision       = "revision"
	EventKeyOriginRevision = "originRevision"
	EventKeyDigest         = "digest"
	EventKeyToken          = "token"
	EventKeyAppVersion     = "app-version"
	EventKeyOCIDigest      = "oci-digest"
	EventKeyCommitStatus   = "commit_status"
	EventKeyChecksum       = "checksum"

	// EventCommitStatusUpdate is the value of [EventKeyCommitStatus].
	EventCommitStatusUpdate = "update"
)

// MetadataOriginRevision is the key of [Artifact.Metadata] that names the revision
// that the content was built from.
const MetadataOriginRevision = "org.opencontainers.image.revision"

// Field managers. They are the names of the stock controllers: under other names
// every applied field would stay co-owned by a manager that is gone, and removals
// from Git would stop working.
const (
	// ManagerKustomize applies what Kustomizations declare.
	ManagerKustomize = "kustomize-controller"

	// ManagerKustomizeStatus writes metadata and status of Kustomizations.
	ManagerKustomizeStatus = "gotk-kustomize-controller"

	// ManagerHelm applies what HelmReleases declare, and writes metadata and
	// status of HelmReleases.
	ManagerHelm = "helm-controller"

	// ManagerSource writes metadata and status of sources.
	ManagerSource = "source-controller"
)

// Names under which events about the kinds of a group are reported.
const (
	ComponentSource    = "source-controller"
	ComponentKustomize = "kustomize-controller"
	ComponentHelm      = "helm-controller"
)
