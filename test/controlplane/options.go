package controlplane

import (
	"io"
	"os"
	"slices"
)

// The users that every control plane knows.
const (
	// AdminUser is a member of system:masters, whom no rule binds.
	AdminUser = "admin"
	// FluxdUser is for the daemon under test, so that its requests can be told
	// from those of the test. It is bound to cluster-admin unless
	// [Options.Users] says otherwise.
	FluxdUser = "fluxd"
)

// Options say what control plane to start. The zero value is a good one.
type Options struct {
	// Nodes is how many nodes to simulate: 2 if zero, none if negative.
	Nodes int
	// Users are users to know besides admin and fluxd. One named fluxd
	// replaces the usual fluxd.
	Users []User
	// Audit records the requests of all users, for AuditCounts.
	Audit bool
	// AuditUsers records the requests of these users only. It implies Audit.
	AuditUsers []string
	// LogDir keeps the logs of the processes there, beyond Stop. If empty they
	// are in a temporary directory that Stop removes.
	LogDir string
	// Progress receives a line now and then while the program is built; it is
	// os.Stderr if nil.
	Progress io.Writer
}

// User is someone who can log in. A service account can be played by its user
// name, system:serviceaccount:NAMESPACE:NAME, and its groups.
type User struct {
	Name   string
	Groups []string
	// Admin binds the user to the role cluster-admin.
	Admin bool
}

func (o Options) withDefaults() Options {
	if o.Nodes == 0 {
		o.Nodes = 2
	}
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	o.Audit = o.Audit || len(o.AuditUsers) > 0
	o.Users = slices.Clone(o.Users)
	if !slices.ContainsFunc(o.Users, func(u User) bool { return u.Name == FluxdUser }) {
		o.Users = append(o.Users, User{Name: FluxdUser, Admin: true})
	}
	return o
}
