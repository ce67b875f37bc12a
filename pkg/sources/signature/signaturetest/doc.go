// Package signaturetest makes signatures for tests: keys, and everything that a
// Sigstore instance and a Notary Project signer would make.
package signaturetest
