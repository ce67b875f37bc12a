package world

import "github.com/fluxd/fluxd/test/controlplane"

// Mark returns the place in the audit log where it ends now.
func (w *World) Mark() controlplane.AuditMark {
	w.T.Helper()
	mark, err := w.Cluster.MarkAudit()
	if err != nil {
		w.T.Fatal(err)
	}
	return mark
}

// Requests returns the requests of fluxd since a mark that concern the namespace,
// as "resource verb name", without watches.
func (w *World) Requests(since controlplane.AuditMark) []string {
	w.T.Helper()
	return w.requests(since, func(r controlplane.Request) bool { return r.Verb != "watch" })
}

// Writes returns those of the requests that write, events among them.
func (w *World) Writes(since controlplane.AuditMark) []string {
	w.T.Helper()
	return w.requests(since, controlplane.Request.Writes)
}

func (w *World) requests(since controlplane.AuditMark, match func(controlplane.Request) bool) []string {
	w.T.Helper()
	all, err := w.Cluster.AuditEvents(since, controlplane.FluxdUser)
	if err != nil {
		w.T.Fatal(err)
	}
	var found []string
	for _, e := range all {
		if e.Namespace == w.Namespace && match(e.Request) {
			found = append(found, e.Request.String()+" "+e.Name)
		}
	}
	return found
}
