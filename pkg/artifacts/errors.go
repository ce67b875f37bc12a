package artifacts

import "errors"

var (
	// ErrNotFound says that the store does not hold what was asked for. It may
	// have been let go of, or not fetched since the start of the process.
	ErrNotFound = errors.New("artifact is not in the store")
	// ErrLimit says that a tree exceeds what its builder was told to accept.
	ErrLimit = errors.New("limit exceeded")
	// ErrTooLarge says that a tree can never fit the budget of the store.
	ErrTooLarge = errors.New("artifact is larger than the budget of the store")
	// ErrBadPath says that a file name cannot be part of a tree.
	ErrBadPath = errors.New("unusable path")
	// ErrArchive says that some bytes are not an archive of files that can be
	// taken in.
	ErrArchive = errors.New("unusable archive")
)
