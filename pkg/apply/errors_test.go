package apply

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestErrorTexts(t *testing.T) {
	e := Entry{Kind: "ConfigMap", Version: "v1", Namespace: "n", Name: "a"}
	gr := schema.GroupResource{Resource: "configmaps"}
	conflict := apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict}}, "conflict")
	tests := map[string]struct {
		err  *ObjectError
		want string
	}{
		"bad request":        {dryRunError(e, true, apierrors.NewBadRequest("no")), "ConfigMap/n/a dry-run failed (BadRequest): no"},
		"not from the API":   {dryRunError(e, true, errors.New("broken pipe")), "ConfigMap/n/a dry-run failed: broken pipe"},
		"not found":          {dryRunError(e, true, apierrors.NewNotFound(gr, "a")), `ConfigMap/n/a not found: configmaps "a" not found`},
		"another manager":    {dryRunError(e, true, conflict), "ConfigMap/n/a dry-run failed (FieldManagerConflict): conflict"},
		"apply":              {applyError(e, errors.New("x")), "ConfigMap/n/a apply failed: x"},
		"without namespace":  {dryRunError(Entry{Kind: "ConfigMap", Name: "a"}, true, apierrors.NewNotFound(gr, "a")), `ConfigMap/a namespace not specified: configmaps "a" not found`},
		"of a cluster scope": {dryRunError(Entry{Kind: "Widget", Name: "a"}, false, apierrors.NewNotFound(gr, "a")), `Widget/a not found: configmaps "a" not found`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { equal(t, test.want, test.err.Error()) })
	}
}

func TestSecretsAreNotQuoted(t *testing.T) {
	e := Entry{Kind: "Secret", Version: "v1", Namespace: "n", Name: "a"}
	gr := schema.GroupResource{Resource: "secrets"}
	const value = "hunter2"
	status := func(reason metav1.StatusReason, text string, causes ...metav1.StatusCause) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Reason: reason, Message: text, Details: &metav1.StatusDetails{Causes: causes}}}
	}
	tests := map[string]struct {
		err  error
		want string
	}{
		"immutable": {
			status(metav1.StatusReasonInvalid, "x", metav1.StatusCause{Type: "FieldValueForbidden", Field: "data", Message: "Forbidden: field is immutable when `immutable` is set"}),
			"Secret/n/a dry-run failed (Invalid): Secret \"a\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
		},
		"a value": {
			status(metav1.StatusReasonInvalid, value, metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: "data[x]", Message: `Invalid value: "` + value + `": no`}),
			`Secret/n/a dry-run failed (Invalid): Secret "a" is invalid: data[x]: Invalid value`,
		},
		"a webhook": {
			status(metav1.StatusReasonForbidden, `admission webhook "w" denied the request: `+value),
			`Secret/n/a dry-run failed (Forbidden): admission webhook "w" denied the request (` + withheld + ")",
		},
		"RBAC":    {apierrors.NewForbidden(gr, "a", errors.New("user x may not")), `Secret/n/a dry-run failed (Forbidden): secrets "a" is forbidden: user x may not`},
		"parsing": {status(metav1.StatusReasonBadRequest, value), "Secret/n/a dry-run failed (BadRequest): " + withheld},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := dryRunError(e, true, test.err)
			equal(t, test.want, err.Error())
			if strings.Contains(err.Error(), value) {
				t.Error("a value is quoted")
			}
			if !errors.Is(err, test.err) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestStageErrorIsSorted(t *testing.T) {
	a := applyError(Entry{Kind: "ConfigMap", Name: "a"}, errors.New("x"))
	b := applyError(Entry{Kind: "ConfigMap", Name: "b"}, errors.New("x"))
	err := newStageError([]*ObjectError{b, a}, true)
	equal(t, "ConfigMap/a apply failed: x\nConfigMap/b apply failed: x", err.Error())
	if o, ok := errors.AsType[*ObjectError](err); !ok || o.Name != "a" {
		t.Errorf("got %v", o)
	}
}

func TestPruneErrorText(t *testing.T) {
	err := &PruneError{[]*ObjectError{
		objectError(Entry{Kind: "ConfigMap", Name: "a"}, "query failed", errors.New("x")),
		objectError(Entry{Kind: "ConfigMap", Name: "b"}, "delete failed", errors.New("y")),
	}}
	equal(t, "delete failed, errors: ConfigMap/a query failed: x;ConfigMap/b delete failed: y;", err.Error())
}
