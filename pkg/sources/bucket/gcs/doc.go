// Package gcs reads buckets of Google Cloud Storage, by its JSON API:
// https://cloud.google.com/storage/docs/json_api
//
// It, and not the one that resembles S3, tells the entity tags by which artifacts of
// this provider are known. They stand for a generation of an object, which is what
// is read.
package gcs
