//go:build !race

package release

// stride is how many writes lie between two that a process is killed at.
const stride = 1
