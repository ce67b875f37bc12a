package apply

import (
	"errors"

	"github.com/fluxd/fluxd/pkg/api"
)

// Inventory lists objects that an owner has applied, in stage and sort order.
type Inventory []Entry

// ReadInventory returns the entries of refs. Entries that do not parse are left
// out and named in the error; the rest is valid.
func ReadInventory(refs []api.ResourceRef) (Inventory, error) {
	inv := make(Inventory, 0, len(refs))
	var bad []error
	for _, ref := range refs {
		e, err := ParseEntry(ref.ID, ref.Version)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		inv = append(inv, e)
	}
	return inv, errors.Join(bad...)
}

// Refs returns the inventory in the form that status keeps. It is never nil: an
// empty inventory is written as an empty list.
func (inv Inventory) Refs() []api.ResourceRef {
	refs := make([]api.ResourceRef, len(inv))
	for i, e := range inv {
		refs[i] = api.ResourceRef{ID: e.ID(), Version: e.Version}
	}
	return refs
}

// Without returns the entries of inv whose objects are not in other, whatever
// their versions.
func (inv Inventory) Without(other Inventory) Inventory {
	if len(inv) == 0 {
		return nil
	}
	drop := make(map[Entry]struct{}, len(other))
	for _, e := range other {
		drop[e.identity()] = struct{}{}
	}
	var rest Inventory
	for _, e := range inv {
		if _, ok := drop[e.identity()]; !ok {
			rest = append(rest, e)
		}
	}
	return rest
}

// Union returns inv followed by the entries of other that it lacks.
func (inv Inventory) Union(other Inventory) Inventory {
	added := other.Without(inv)
	return append(inv[:len(inv):len(inv)], added...)
}
