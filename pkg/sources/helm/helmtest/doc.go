// Package helmtest serves Helm repositories for tests, and makes the charts that are in
// them.
package helmtest
