package helmrelease

import (
	"slices"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// isRevision says whether a snapshot is of the revision that s is of.
func isRevision(s *v2.Snapshot) func(*v2.Snapshot) bool {
	return func(old *v2.Snapshot) bool { return old.Targets(s.Name, s.Namespace, s.Version) }
}

// revise puts a snapshot of a revision into the history, in place of the one that was taken
// of it before. What only the status knows of a revision stays: the digest of its chart, its
// tests, and by which action it was made, unless that is news.
func revise(history v2.Snapshots, s *v2.Snapshot) v2.Snapshots {
	i := slices.IndexFunc(history, isRevision(s))
	if i < 0 {
		return append(v2.Snapshots{s}, history...).Sorted()
	}
	old := history[i]
	if s.OCIDigest == "" {
		s.OCIDigest = old.OCIDigest
	}
	if s.TestHooks == nil {
		s.TestHooks = old.TestHooks
	}
	if s.Action == "" {
		s.Action = old.Action
	}
	out := slices.Clone(history)
	out[i] = s
	return out.Sorted()
}

// truncate cuts the history to what is still needed.
func (p policy) truncate(obj *v2.HelmRelease) v2.Snapshots {
	if _, retries := p.activeRetry(obj); retries {
		return obj.Status.History.Newest(v2.DefaultMaxHistory)
	}
	ignore := obj.GetTest().IgnoreFailures
	if r, active := activeRemediation(obj); active {
		ignore = r.ignoreTests
	}
	return obj.Status.History.Truncated(ignore)
}

// selects says whether the filters of the spec select a test.
func selects(filters []v2.Filter, name string) bool {
	allowed := true
	for _, f := range filters {
		if f.Exclude && f.Name == name {
			return false
		}
		if !f.Exclude {
			allowed = false
		}
	}
	return allowed || slices.ContainsFunc(filters, func(f v2.Filter) bool { return !f.Exclude && f.Name == name })
}
