package apply

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// ErrEncrypted says that a Secret is still SOPS encrypted.
var ErrEncrypted = errors.New("is SOPS encrypted, configuring decryption is required for this secret to be reconciled")

// ObjectError is what went wrong with one object.
type ObjectError struct {
	Entry
	// Text is the whole sentence, subject first.
	Text string
	// Err is the cause. It may hold what Text leaves out, so it is not for people.
	Err error
}

func (e *ObjectError) Error() string { return e.Text }
func (e *ObjectError) Unwrap() error { return e.Err }

// StageError has the errors of one stage, sorted by their texts. Nothing of the
// stage was written if Written is false.
type StageError struct {
	Errors  []*ObjectError
	Written bool
}

func (e *StageError) Error() string {
	texts := make([]string, len(e.Errors))
	for i, err := range e.Errors {
		texts[i] = err.Text
	}
	return strings.Join(texts, "\n")
}

func (e *StageError) Unwrap() []error {
	errs := make([]error, len(e.Errors))
	for i, err := range e.Errors {
		errs[i] = err
	}
	return errs
}

func newStageError(errs []*ObjectError, written bool) *StageError {
	slices.SortFunc(errs, func(a, b *ObjectError) int { return cmp.Compare(a.Text, b.Text) })
	return &StageError{Errors: errs, Written: written}
}
