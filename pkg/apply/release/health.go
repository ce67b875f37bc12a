package release

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/apply"
)

// Health is how the objects of a release are judged.
type Health struct {
	custom map[schema.GroupKind]apply.Rule
}

// NewHealth returns the general rules with custom ones before them; a rule under an
// empty Kind is for every kind of its group that has none of its own.
func NewHealth(custom map[schema.GroupKind]apply.Rule) *Health { return &Health{custom} }
