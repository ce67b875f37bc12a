// Package ocitest serves OCI registries for tests: the distribution API with tags in
// pages, referrers, blobs on other hosts, access tokens and the ways in which
// registries fail.
package ocitest
