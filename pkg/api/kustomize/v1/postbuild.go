package v1

// SubstituteStrategy says when variables are replaced.
type SubstituteStrategy string

// Values of [PostBuild.SubstituteStrategy].
const (
	SubstituteWithVariables SubstituteStrategy = "WithVariables"
	SubstituteAlways        SubstituteStrategy = "Always"
)

// PostBuild replaces variables of the form ${name}, ${name:-default} and the like
// in the objects that were built.
type PostBuild struct {
	// SubstituteStrategy says when variables are replaced: WithVariables, the
	// default, only if at least one variable is given here; Always, even if none
	// is, so that defaults take effect.
	// +kubebuilder:validation:Enum=WithVariables;Always
	// +optional
	SubstituteStrategy SubstituteStrategy `json:"substituteStrategy,omitempty"`

	// Substitute gives variables and their values. They win over those of
	// substituteFrom.
	// +optional
	Substitute map[string]string `json:"substitute,omitempty"`

	// SubstituteFrom lists ConfigMaps and Secrets in this namespace whose entries
	// are variables. Later ones win over earlier ones.
	// +optional
	SubstituteFrom []SubstituteReference `json:"substituteFrom,omitempty"`
}

// SubstituteReference names an object whose entries are variables.
type SubstituteReference struct {
	// Kind of the object: Secret or ConfigMap.
	// +kubebuilder:validation:Enum=Secret;ConfigMap
	// +required
	Kind string `json:"kind"`

	// Name of the object, which must be in the namespace of this one.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// Optional lets the build go on without the object if it does not exist.
	// +kubebuilder:default:=false
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// GetSubstituteStrategy returns the strategy, WithVariables by default.
func (k *Kustomization) GetSubstituteStrategy() SubstituteStrategy {
	if k.Spec.PostBuild == nil || k.Spec.PostBuild.SubstituteStrategy == "" {
		return SubstituteWithVariables
	}
	return k.Spec.PostBuild.SubstituteStrategy
}
