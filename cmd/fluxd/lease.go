package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
)

// leaseName returns the name of the Lease. Processes that look after different
// shards hold different ones.
func leaseName(selector string) string {
	const name = "fluxd-leader-election"
	if selector == "" {
		return name
	}
	sum := sha256.Sum256([]byte(selector))
	return name + "-" + hex.EncodeToString(sum[:4])
}

// identity returns a name for this process that no other has.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "fluxd"
	}
	return host + "_" + rand.Text()
}
