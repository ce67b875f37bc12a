// Package apply tests pkg/apply against a real API server: what server-side apply,
// dry-runs, managed fields and watches really answer.
package apply
