package main

// The image is FROM scratch: the root certificates come with the binary. Those
// of the machine, where there are any, take precedence.
import _ "golang.org/x/crypto/x509roots/fallback"
