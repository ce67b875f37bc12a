package helmrelease

import (
	"fmt"
	"strings"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
)

// state is how a release compares with what is wanted.
type state uint8

const (
	_ state = iota // nobody knows
	// absent: there is nothing in the storage, or only what was uninstalled.
	absent
	// unmanaged: the last record was made or changed by somebody else.
	unmanaged
	// locked: somebody else's action is under way, or was left so.
	locked
	outOfSync
	untested
	failed
	drifted
	inSync
)

// situation is a state with the reason for it.
type situation struct {
	state
	reason string
}

// Words of Helm for the status of a record.
const (
	statusDeployed    = "deployed"
	statusSuperseded  = "superseded"
	statusFailed      = "failed"
	statusUninstalled = "uninstalled"
	statusPending     = "pending-"
)

func pending(status string) bool { return strings.HasPrefix(status, statusPending) }

// matches says whether a record is the one that a snapshot was taken of, unchanged. Its
// digest is made by the algorithm of that of the snapshot. A snapshot of an older format
// is not compared.
func matches(o *release.Observation, s *v2.Snapshot) bool {
	return s.APIVersion != v2.SnapshotAPIVersion || o.Digest == s.Digest
}

// wanted is what the release is to be.
type wanted struct {
	chartName, chartVersion string
	// chartDigest is that of the artifact, where the chart comes from a registry.
	chartDigest string
	// config, postRenderers and commonMetadata are digests.
	config, postRenderers, commonMetadata string
}

// determine compares the last record, nil if there is none, with what is wanted. It does
// not know of drift.
func determine(obj *v2.HelmRelease, last *release.Observation, want wanted) (situation, error) {
	history := obj.Status.History.Latest()
	switch {
	case last == nil:
		return situation{absent, "no release in storage for object"}, nil
	case pending(string(last.Status)):
		return situation{locked, fmt.Sprintf("release with status '%s'", last.Status)}, nil
	case history == nil && last.Status == statusUninstalled:
		return situation{absent, "found uninstalled release in storage"}, nil
	case history == nil:
		return situation{unmanaged, "found existing release in storage"}, nil
	case !matches(last, history):
		return situation{unmanaged, "release in storage does not match the one that was recorded"}, nil
	}
	switch last.Status {
	case statusFailed:
		return situation{failed, "release is in a failed state"}, nil
	case statusUninstalled:
		return situation{absent, fmt.Sprintf("found uninstalled release in storage: %s", history)}, nil
	case statusDeployed:
		return compare(obj, last, want), nil
	}
	return situation{}, fmt.Errorf("unable to determine state for release with status '%s'", last.Status)
}

// compare is determine for a release that is deployed and ours.
func compare(obj *v2.HelmRelease, last *release.Observation, want wanted) situation {
	history, status := obj.Status.History.Latest(), obj.Status
	edited := status.ObservedGeneration != obj.Generation
	switch {
	case last.ChartName != want.chartName || last.ChartVersion != want.chartVersion:
		return situation{outOfSync, "release chart changed"}
	case history.ConfigDigest != want.config:
		return situation{outOfSync, "release config values changed"}
	case edited && status.ObservedPostRenderersDigest != want.postRenderers:
		return situation{outOfSync, "postrenderers digest has changed"}
	case edited && status.ObservedCommonMetadataDigest != want.commonMetadata:
		return situation{outOfSync, "common metadata digest has changed"}
	case !obj.GetTest().Enable:
		return situation{inSync, "release is in sync"}
	case !history.HasBeenTested():
		return situation{untested, "release has not been tested"}
	case testsHaveFailed(obj, history):
		return situation{failed, "release has test in failed phase"}
	}
	return situation{inSync, "release is in sync"}
}

// testsHaveFailed says whether a failed test is to be remedied.
func testsHaveFailed(obj *v2.HelmRelease, history *v2.Snapshot) bool {
	r, active := activeRemediation(obj)
	return active && !r.ignoreTests && history.HasTestInPhase(v2.TestFailed)
}
