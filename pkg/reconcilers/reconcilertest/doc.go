// Package reconcilertest runs reconcilers of sources in tests and holds them to what every
// kind promises, whatever the test is about.
package reconcilertest
