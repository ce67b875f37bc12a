package gitrepository

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// mustVerify says whether the stored artifact has yet to pass a check that spec
// asks for. New keys alone are no reason to check again.
func (a *one) mustVerify() bool {
	v := a.obj.Spec.Verification
	if v == nil {
		return false
	}
	observed := a.obj.Status.SourceVerificationMode
	if observed == nil || !a.IsTrue(api.ConditionSourceVerified) {
		return true
	}
	return covers(v.GetMode(), v1.VerifyTag) && !covers(*observed, v1.VerifyTag) ||
		covers(v.GetMode(), v1.VerifyHEAD) && !covers(*observed, v1.VerifyHEAD)
}

// covers says whether a mode checks what another does.
func covers(mode, part v1.GitVerificationMode) bool {
	return mode == part || mode == v1.VerifyTagAndHEAD
}

// verify checks the signatures that spec asks for: that of the tag first.
func (a *one) verify(ctx context.Context, c *git.Commit) error {
	v := a.obj.Spec.Verification
	if v == nil {
		return nil
	}
	mode := v.GetMode()
	keys, err := a.keys(ctx, v.SecretRef.Name)
	if err != nil {
		return a.Unverified(ctx, api.ReasonVerificationError, err)
	}
	var checked []string
	if covers(mode, v1.VerifyTag) {
		if !c.FromTag() {
			err := errors.New("spec.verify.mode: a tag can only be verified if spec.ref names a tag or a version range")
			a.Set(api.ConditionSourceVerified, false, api.ReasonInvalidVerificationMode, err.Error())
			return fault.Stalled(api.ReasonInvalidVerificationMode, err)
		}
		signer, err := c.VerifyTag(keys)
		if errors.Is(err, git.ErrUnsigned) {
			return a.Unverified(ctx, api.ReasonInvalidGitObject, err)
		}
		if err != nil {
			return a.Unverified(ctx, api.ReasonInvalidTagSignature, err)
		}
		checked = append(checked, fmt.Sprintf("tag '%s@%s' with key '%s'", c.Name, c.Tag, signer))
	}
	if covers(mode, v1.VerifyHEAD) {
		signer, err := c.Verify(keys)
		if err != nil {
			return a.Unverified(ctx, api.ReasonInvalidCommitSignature, err)
		}
		checked = append(checked, fmt.Sprintf("commit '%s' with key '%s'", c.Head.Commit, signer))
	}
	a.obj.Status.SourceVerificationMode = &mode
	a.Set(api.ConditionSourceVerified, true, api.ReasonSucceeded, "verified signature of "+strings.Join(checked, " and "))
	return nil
}

// keys returns the public keys of a Secret.
func (a *one) keys(ctx context.Context, name string) (git.Keys, error) {
	data, _, err := a.Secrets.Secret(ctx, a.obj.Namespace, name)
	if err != nil {
		return git.Keys{}, fmt.Errorf("spec.verify.secretRef: failed to get secret '%s/%s': %w", a.obj.Namespace, name, err)
	}
	var keys git.Keys
	for key, value := range data {
		if strings.HasSuffix(key, ".sshpub") {
			keys.SSH = append(keys.SSH, value)
		} else {
			keys.PGP = append(keys.PGP, value)
		}
	}
	return keys, nil
}

// verificationRemoved clears what an earlier spec.verify left behind.
func (a *one) verificationRemoved() {
	if a.obj.Spec.Verification == nil {
		a.Drop(api.ConditionSourceVerified)
		a.obj.Status.SourceVerificationMode = nil
	}
}
