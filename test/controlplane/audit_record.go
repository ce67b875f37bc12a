package controlplane

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// auditRecord is what we read of a line of the audit log.
type auditRecord struct {
	Stage            string
	Verb             string
	RequestURI       string
	User             struct{ Username string }
	ImpersonatedUser struct{ Username string }
	UserAgent        string
	ObjectRef        *struct{ APIGroup, Resource, Subresource, Namespace, Name string }
	ResponseStatus   struct{ Code int }

	RequestReceivedTimestamp, StageTimestamp time.Time
}

// counts tells whether r stands for its request. A watch has two records, when
// it starts and when it ends; one that was refused has the second only.
func (r auditRecord) counts() bool {
	switch r.Stage {
	case "ResponseStarted":
		return r.Verb == "watch"
	case "ResponseComplete", "Panic":
		return r.Verb != "watch" || r.ResponseStatus.Code != http.StatusOK
	default:
		return false
	}
}

func (r auditRecord) event() AuditEvent {
	e := AuditEvent{
		Time: r.RequestReceivedTimestamp, Took: r.StageTimestamp.Sub(r.RequestReceivedTimestamp),
		User: r.User.Username, As: r.ImpersonatedUser.Username, UserAgent: r.UserAgent,
		Code: r.ResponseStatus.Code, Request: Request{Verb: r.Verb}, DryRun: strings.Contains(r.RequestURI, "dryRun=All"),
	}
	if ref := r.ObjectRef; ref != nil {
		e.Namespace, e.Name = ref.Namespace, ref.Name
		e.Request.Group, e.Request.Resource, e.Request.Subresource = ref.APIGroup, ref.Resource, ref.Subresource
		return e
	}
	e.Request.Path, _, _ = strings.Cut(r.RequestURI, "?")
	return e
}

// auditPolicy records the requests of users, or of everybody if there are
// none, without their contents.
func auditPolicy(users []string) []byte {
	record := map[string]any{"level": "Metadata", "omitStages": []string{"RequestReceived"}}
	rules := []any{record}
	if len(users) > 0 {
		record["users"] = users
		rules = append(rules, map[string]any{"level": "None"})
	}
	policy, err := json.Marshal(map[string]any{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules})
	if err != nil {
		panic(err) // made of strings only
	}
	return policy
}
