package apply

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ErrEncrypted says that a Secret is still SOPS encrypted.
var ErrEncrypted = errors.New("is SOPS encrypted, configuring decryption is required for this secret to be reconciled")

// ErrNoNamespace says that a namespaced object has no namespace.
var ErrNoNamespace = errors.New("the server could not find the requested resource")

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

// PruneError has the errors of a prune, in the order in which the objects were
// tried.
type PruneError struct{ Errors []*ObjectError }

// Error returns the form that people know.
func (e *PruneError) Error() string {
	var b strings.Builder
	b.WriteString("delete failed, errors: ")
	for _, err := range e.Errors {
		b.WriteString(err.Text + ";")
	}
	return b.String()
}

func (e *PruneError) Unwrap() []error { return (&StageError{Errors: e.Errors}).Unwrap() }

// objectError builds "<subject> <what>: <why>" with what of err may be told.
func objectError(e Entry, what string, err error) *ObjectError {
	return &ObjectError{Entry: e, Text: e.String() + " " + what + ": " + tell(e, err), Err: err}
}

// dryRunError is the refusal of a dry-run, in the words of section 2.9, step 4.
func dryRunError(e Entry, namespaced bool, err error) *ObjectError {
	if apierrors.IsNotFound(err) {
		if namespaced && e.Namespace == "" {
			return objectError(e, "namespace not specified", err)
		}
		return objectError(e, "not found", err)
	}
	what := "dry-run failed"
	if reason := reasonOf(err); reason != "" {
		what += " (" + reason + ")"
	}
	return objectError(e, what, err)
}

// namespaceError is what a dry-run without a namespace would fail with.
func namespaceError(e Entry) *ObjectError {
	return objectError(e, "namespace not specified", ErrNoNamespace)
}

func applyError(e Entry, err error) *ObjectError { return objectError(e, "apply failed", err) }

// reasonOf returns the API status reason of err, if it has one.
func reasonOf(err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return ""
	}
	if d := status.Status().Details; d != nil && slices.ContainsFunc(d.Causes, func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeFieldManagerConflict
	}) {
		return "FieldManagerConflict"
	}
	return string(apierrors.ReasonForError(err))
}

// tell returns what people may read of err. An answer about a Secret may quote its
// values, so only what cannot is repeated.
func tell(e Entry, err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || e.Kind != "Secret" || e.Group != "" {
		return err.Error()
	}
	s := status.Status()
	switch s.Reason {
	case metav1.StatusReasonNotFound, metav1.StatusReasonUnauthorized, metav1.StatusReasonConflict,
		metav1.StatusReasonTimeout, metav1.StatusReasonServerTimeout, metav1.StatusReasonTooManyRequests,
		metav1.StatusReasonServiceUnavailable, metav1.StatusReasonAlreadyExists:
		return err.Error()
	case metav1.StatusReasonForbidden:
		return tellForbidden(err.Error())
	case metav1.StatusReasonInvalid:
		return tellInvalid(e, s.Details)
	}
	return withheld
}

const withheld = "the answer of the API server is withheld because it may quote the Secret"

// tellForbidden repeats a refusal up to where an admission webhook has its say.
func tellForbidden(text string) string {
	if head, _, ok := strings.Cut(text, "denied the request"); ok {
		return head + "denied the request (" + withheld + ")"
	}
	return text
}

// tellInvalid repeats which fields are invalid, and why unless that quotes a value.
func tellInvalid(e Entry, d *metav1.StatusDetails) string {
	text := `Secret "` + e.Name + `" is invalid`
	if d == nil {
		return text
	}
	var causes []string
	for _, c := range d.Causes {
		why, _, _ := strings.Cut(c.Message, ":")
		if c.Type == "FieldValueForbidden" || c.Type == metav1.CauseTypeFieldValueRequired {
			why = c.Message
		}
		causes = append(causes, c.Field+": "+why)
	}
	slices.Sort(causes)
	return text + ": " + strings.Join(slices.Compact(causes), ", ")
}
