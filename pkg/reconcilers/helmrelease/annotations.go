package helmrelease

import (
	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// takeForce says whether the object carries a request to install or upgrade whatever
// the state, and marks it as handled.
func takeForce(obj *v2.HelmRelease) bool {
	return take(obj, api.AnnotationForceRequest, &obj.Status.LastHandledForceAt)
}

// takeReset is takeForce for the request to forget failures.
func takeReset(obj *v2.HelmRelease) bool {
	return take(obj, api.AnnotationResetRequest, &obj.Status.LastHandledResetAt)
}

// take marks a request as handled. It is valid once, and only if it comes together with
// a request to reconcile that has yet to be handled.
func take(obj *v2.HelmRelease, annotation string, handled *string) bool {
	value, present := obj.Annotations[annotation]
	if !present {
		return false
	}
	request, requested := obj.Annotations[api.AnnotationReconcileRequest]
	valid := requested && value == request && request != obj.Status.LastHandledReconcileAt && value != *handled
	*handled = value
	return valid
}
