package kube

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestAccountUser(t *testing.T) {
	for name, good := range map[string]bool{
		"tenant": true, "tenant.of-many": true,
		"": false, "a:b": false, "Tenant": false, "a\nb": false, "a/b": false, " ": false,
	} {
		user, err := AccountUser("apps", name)
		if (err == nil) != good || err != nil && !errors.Is(err, ErrAccountName) {
			t.Errorf("%q: error %v", name, err)
		}
		if good && user != "system:serviceaccount:apps:"+name {
			t.Errorf("%q is %s", name, user)
		}
	}
	if _, err := AccountUser("", "tenant"); err == nil {
		t.Error("no namespace is no error")
	}
}

func TestAs(t *testing.T) {
	s := newServer()
	base := s.clients(t)
	as, err := base.As("system:serviceaccount:apps:tenant")
	if err != nil {
		t.Fatal(err)
	}
	configMaps := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	for _, c := range []*Clients{base, as} {
		_, _ = c.Dynamic.Resource(configMaps).Namespace("apps").Get(t.Context(), "a", metav1.GetOptions{}) // it does not exist
	}
	sent := s.sent()
	if len(sent) != 2 || sent[0].header.Get("Impersonate-User") != "" || sent[1].header.Get("Impersonate-User") != "system:serviceaccount:apps:tenant" {
		t.Errorf("sent %+v", sent)
	}
	if as.Mapper != base.Mapper {
		t.Error("how kinds are served is asked once more")
	}
	if base.Config().Impersonate.UserName != "" || as.Config().Impersonate.UserName == "" {
		t.Error("the configurations are mixed up")
	}
}
