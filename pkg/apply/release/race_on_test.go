//go:build race

package release

// stride is how many writes lie between two that a process is killed at. The race
// detector makes every one of them ten times as slow, and learns nothing new from
// neighbours; without it every write has its turn.
const stride = 5
