// Package consumer holds what the kinds that turn artifacts into objects of the cluster
// have in common: how their expressions judge health and dependencies, and when what they
// left is to be compared with the API server whatever is remembered.
package consumer
