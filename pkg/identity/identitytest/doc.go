// Package identitytest is a fake of three clouds: the identity endpoints of AWS,
// Azure and Google Cloud, and the metadata servers of their machines, on loopback.
// It behaves: it checks what it is sent as the real ones do, and answers no where
// they would.
package identitytest
