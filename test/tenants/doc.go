// Package tenants attacks fluxd as a tenant would who is hostile: from a namespace in
// which it may do what the role admin may, status included, against the one of
// somebody else, by every field that can name an object, a host, a file or an account.
//
// The daemon runs with the arguments and the rights of deploy/overlays/lockdown. The
// fields come from the definitions, so that a new one that nobody attacks fails a
// test. After all attacks, the audit log, the logs, the events and all objects of the
// tenant are searched for what must not be there.
package tenants
