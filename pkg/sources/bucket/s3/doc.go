// Package s3 reads buckets of Amazon S3 and of what speaks the same protocol.
//
// Requests are signed with version 4 of the AWS signature, or not at all where there
// are no credentials. Buckets are addressed by host name where the provider wants it,
// by path elsewhere. A bucket that turns out to be in another region is asked again
// with the signature, and at Amazon at the host, of that region.
package s3
