package attempt

import (
	"context"
	"errors"
	"net/url"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/identity"
)

// errGate says how a ServiceAccount could be used.
var errGate = errors.New("to use spec.serviceAccountName for provider authentication please enable the " +
	"ObjectLevelWorkloadIdentity feature gate in the controller")

// Identity returns the request for credentials of the cloud that spec.provider
// names, by the identity of spec.serviceAccountName, or of the default of the process.
// Proxy is that of the source.
func (a *Attempt) Identity(provider, serviceAccount string, proxy *url.URL) identity.Request {
	return identity.Request{
		Provider: identity.Provider(provider), Proxy: proxy,
		Namespace: a.Owner.Namespace, ServiceAccount: serviceAccount, DefaultAccount: a.DefaultAccount,
		For: identity.Object{Kind: a.Owner.Kind, Namespace: a.Owner.Namespace, Name: a.Owner.Name, Operation: "reconcile"},
	}
}

// IdentityFailed classifies an error of a cloud. Only an edit helps where
// ServiceAccounts may not be used.
func (a *Attempt) IdentityFailed(ctx context.Context, err error) error {
	if errors.Is(err, identity.ErrObjectLevelDisabled) {
		return a.Stalled(api.ReasonFeatureGateDisabled, errGate)
	}
	return a.AuthFailed(ctx, err)
}
