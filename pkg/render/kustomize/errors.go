package kustomize

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	// ErrPathNotFound says that the tree has no such folder.
	ErrPathNotFound = errors.New("no such file or directory")
	// ErrEmpty says that a kustomization file says nothing.
	ErrEmpty = errors.New("kustomization.yaml is empty")
	// ErrBlank says that a folder has manifests and no objects.
	ErrBlank = errors.New("the manifests are blank")
	// ErrRemoteBases says that a remote reference is not allowed.
	ErrRemoteBases = errors.New("remote bases are disabled")
	// ErrUnsealed says that the process has not made [NoNetwork] its default transport.
	ErrUnsealed = errors.New("generators, transformers and validators need a process whose default transport is closed")
	// ErrNoFetcher says that nobody is there to fetch Git repositories.
	ErrNoFetcher = errors.New("remote Git bases are not supported")
	// ErrAddress says that a remote reference leads where none may lead.
	ErrAddress = errors.New("address is not allowed")
	// ErrLimit says that input is larger, deeper or more entangled than accepted.
	ErrLimit = errors.New("limit exceeded")
	// ErrEscape says that a path leads out of what may be read.
	ErrEscape = errors.New("fs-security-constraint")
)

// escape is the error of a path outside of root.
func escape(op, path, root string) error {
	return fmt.Errorf("%w %s %s: path '%s' is not in or below '%s'", ErrEscape, op, path, path, root)
}

// steadyError is an error of kustomize in words that are the same for the same cause.
// kustomize prints where in memory its generators are, which would make every retry of
// a build fail with news.
type steadyError struct{ cause error }

// Error implements error.
func (e steadyError) Error() string {
	text := e.cause.Error()
	if !strings.Contains(text, "0x") {
		return text
	}
	return regexp.MustCompile(`&\{0x[0-9a-f]+ (<nil>|0x[0-9a-f]+)\}`).ReplaceAllString(text, "of the file")
}

// Unwrap returns the error of kustomize.
func (e steadyError) Unwrap() error { return e.cause }
