package api

// ResourceInventory lists the objects that were applied to the cluster.
type ResourceInventory struct {
	// Entries are the objects, each once.
	Entries []ResourceRef `json:"entries"`
}

// ResourceRef is one object of an inventory.
type ResourceRef struct {
	// ID is <namespace>_<name>_<group>_<kind>. Parts that are empty leave their
	// separators in place, and a colon in the name is written as two underscores.
	ID string `json:"id"`

	// Version of the object's API, without the group, as it was applied.
	Version string `json:"v"`
}
