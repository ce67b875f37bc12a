//go:build !linux

package harness

import "errors"

// Unread is for machines with cgroups.
func Unread(string, string) (string, error) { return "", errors.ErrUnsupported }
